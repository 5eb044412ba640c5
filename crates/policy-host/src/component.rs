//! From a module's bytes to a component.

mod types;

use std::borrow::Cow;
use std::{panic, thread};

use wasmtime::Engine;
use wasmtime::component::Component;
use wit_component::ComponentEncoder;

use crate::error::LoadFault;
use crate::sections;

/// Most bytes of a module. A component made of Python is the largest known kind, with some 18 MB.
pub const MODULE_BYTES: usize = 64 << 20;
/// Most bytes of the cases that a module brings along.
pub const CASES_BYTES: usize = 256 << 10;
/// The custom section that holds them.
const CASES_SECTION: &str = "sendgate:cases";

/// Most components in one another. Toolchains make two or three; what takes time and memory by the square of them would
/// take all that there is.
const LEVELS: usize = 32;
/// Stack of the encoder, which calls itself for each step of a type. Only what is used of it takes memory.
const STACK_BYTES: usize = 512 << 20;

const MAGIC: &[u8] = b"\0asm";
/// The version and layer after the magic number. Source: the component model's binary format.
const CORE_LAYER: &[u8] = &[1, 0, 0, 0];
const COMPONENT_LAYER: &[u8] = &[0x0d, 0, 1, 0];

/// Compiles `module`, a core module with component type information or a component. Takes its time.
pub(crate) fn compile(engine: &Engine, module: &[u8]) -> Result<Component, LoadFault> {
    let component = as_component(module)?;
    Component::new(engine, component).map_err(|error| LoadFault::Compile(error.into()))
}

/// `module` with `cases` for those that it brings along.
///
/// # Errors
///
/// [`LoadFault::Cases`] where they are too large; what is wrong with bytes that are no module.
pub fn with_cases(module: &[u8], cases: &[u8]) -> Result<Vec<u8>, LoadFault> {
    is_module(module)?;
    let module = sections::with_custom(module, CASES_SECTION, cases);
    own_cases(&module).map(|_fit| module)
}

/// The cases that `module` brings along.
///
/// # Errors
///
/// [`LoadFault::Cases`] where they are too large.
pub(crate) fn own_cases(module: &[u8]) -> Result<Option<Box<[u8]>>, LoadFault> {
    match sections::custom(module, CASES_SECTION) {
        Some(cases) if cases.len() > CASES_BYTES => {
            let said = format!("they have {} bytes; at most {CASES_BYTES} are taken", cases.len());
            Err(LoadFault::Cases(said))
        }
        cases => Ok(cases.map(Box::from)),
    }
}

fn as_component(module: &[u8]) -> Result<Cow<'_, [u8]>, LoadFault> {
    is_module(module)?;
    match module[MAGIC.len()..].starts_with(COMPONENT_LAYER) {
        true => types::are_shallow(module).map(|()| Cow::Borrowed(module)),
        false => encoded(module).map(Cow::Owned),
    }
}

/// Whether `module` is a component or a core module, whole.
fn is_module(module: &[u8]) -> Result<(), LoadFault> {
    if module.len() > MODULE_BYTES {
        return Err(LoadFault::TooLarge { bytes: module.len(), most: MODULE_BYTES });
    }
    let layers = [COMPONENT_LAYER, CORE_LAYER];
    match module.strip_prefix(MAGIC) {
        Some(_) if !sections::are_whole(module) => Err(LoadFault::Truncated),
        Some(_) if sections::are_deeper(module, LEVELS) => Err(LoadFault::Nested { most: LEVELS }),
        Some(rest) if layers.iter().any(|layer| rest.starts_with(layer)) => Ok(()),
        _ => Err(LoadFault::NotWasm { seems: seems(module) }),
    }
}

/// [`encode`], with room for types that are nested as deeply as they may be.
fn encoded(module: &[u8]) -> Result<Vec<u8>, LoadFault> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("encode".into()).stack_size(STACK_BYTES);
        let encoding = thread.spawn_scoped(scope, || encode(module));
        let encoding = encoding.map_err(|error| LoadFault::Encode(error.into()))?;
        encoding.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

fn encode(module: &[u8]) -> Result<Vec<u8>, LoadFault> {
    types::end(module)?;
    let decoded = wit_component::metadata::decode(module);
    let (carries_types, _) = decoded.map_err(|error| LoadFault::Encode(error.into()))?;
    if carries_types.is_none() {
        return Err(LoadFault::NoComponentType(sections::imported(module)));
    }
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder.module(module).and_then(ComponentEncoder::encode);
    encoded.map_err(|error| LoadFault::Encode(error.into()))
}

/// What bytes seem to be that are not WebAssembly, for people who gave the wrong file.
fn seems(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    match bytes {
        [] => "empty",
        _ if bytes.starts_with(MAGIC) => "WebAssembly of an unknown version",
        _ if bytes.starts_with(b"\x7fELF") => "a native or precompiled file (ELF)",
        _ if bytes.starts_with(&[0x1f, 0x8b]) => "compressed with gzip",
        _ if bytes.starts_with(b"PK\x03\x04") => "a zip archive",
        _ if bytes.starts_with(b"version https://git-lfs") => {
            "a Git LFS pointer, not the file itself"
        }
        _ if text.starts_with(b"(module") || text.starts_with(b"(component") => {
            "WebAssembly's text form"
        }
        _ if text.starts_with(b"<") => "a web page",
        _ if std::str::from_utf8(bytes).is_ok() => "a text",
        _ => "no WebAssembly",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{LEVELS, LoadFault, MODULE_BYTES, as_component, sections, seems};

    #[test]
    fn a_file_that_is_no_module_is_named_for_what_it_seems() {
        assert_eq!(seems(b""), "empty");
        assert_eq!(seems(b"\n  (module)"), "WebAssembly's text form");
        assert_eq!(seems(b"<!doctype html>"), "a web page");
        assert_eq!(
            seems(b"version https://git-lfs.github.com/spec/v1"),
            "a Git LFS pointer, not the file itself"
        );
        assert_eq!(seems(&[0x1f, 0x8b, 8]), "compressed with gzip");
        assert_eq!(seems(b"\x7fELF"), "a native or precompiled file (ELF)");
        assert_eq!(seems(b"allow = true"), "a text");
        assert_eq!(seems(&[0xff, 0xfe]), "no WebAssembly");
        assert_eq!(seems(b"\0asm\x02\0\0\0"), "WebAssembly of an unknown version");
    }

    #[test]
    fn components_in_one_another_are_followed_to_a_bound() {
        let header = b"\0asm\x0d\0\x01\0";
        let nested = |levels: usize| {
            (0..levels).fold(header.to_vec(), |within, _| sections::with_nested(header, &within))
        };
        assert!(as_component(&nested(LEVELS)).is_ok());
        let fault = as_component(&nested(LEVELS + 1)).unwrap_err();
        assert!(matches!(fault, LoadFault::Nested { most: LEVELS }), "{fault}");
    }

    #[test]
    fn a_core_module_of_another_making_is_told_how_to_be_built() {
        let empty = b"\0asm\x01\0\0\0";
        assert!(matches!(as_component(empty), Err(LoadFault::NoComponentType(_))));
        // A function of type 0 of another WASI.
        let import = b"\x01\x16wasi_snapshot_preview1\x08fd_write\x00\x00";
        let wasi = [&empty[..], &[2, u8::try_from(import.len()).unwrap()], import].concat();
        let said = as_component(&wasi).unwrap_err().to_string();
        assert!(said.contains("imports `wasi_snapshot_preview1`"), "{said}");
    }

    #[test]
    fn a_module_that_is_cut_off_anywhere_is_told_so() {
        // A custom section of 130 bytes, its size in two bytes.
        let mut module = b"\0asm\x01\0\0\0\x00\x82\x01\x04name".to_vec();
        module.resize(8 + 3 + 130, 0);
        assert!(matches!(as_component(&module), Err(LoadFault::NoComponentType(_))));
        for end in 9..module.len() {
            let cut = as_component(&module[..end]);
            assert!(matches!(cut, Err(LoadFault::Truncated)), "cut at {end}: {cut:?}");
        }
        let endless = b"\0asm\x01\0\0\0\x00\xff\xff\xff\xff\xff\x01";
        assert!(matches!(as_component(endless), Err(LoadFault::Truncated)));
    }

    #[test]
    fn a_module_above_the_bound_is_refused_unread() {
        let large = vec![0; MODULE_BYTES + 1];
        assert!(matches!(as_component(&large), Err(LoadFault::TooLarge { .. })));
    }
}
