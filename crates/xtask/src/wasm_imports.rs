//! What a core WebAssembly module asks of its host: the part of the binary format that tells.
//!
//! WebAssembly core specification 2.0, section 5.5 (modules: preamble, sections, imports, custom sections).

use anyhow::{Context as _, Result, bail, ensure};

/// What a policy may import: interfaces of the policy contract, nothing of the machine.
const ALLOWED: &str = "sendgate:policy/";

const PREAMBLE: [u8; 8] = *b"\0asm\x01\0\0\0";
const CUSTOM_SECTION: u8 = 0;
const IMPORT_SECTION: u8 = 2;
const FUNCTION: u8 = 0;

/// A cursor over the bytes of a module.
struct Reader<'a>(&'a [u8]);

/// Checks that `module` can become a policy: it carries its component type, and imports nothing but functions of the
/// policy contract.
///
/// # Errors
///
/// Names the import that is too much, or says what is missing or cut short.
pub(crate) fn check(module: &[u8]) -> Result<()> {
    let mut reader = Reader(module);
    ensure!(reader.take(8)? == PREAMBLE, "is not a core WebAssembly module of version 1");
    let mut typed = false;
    while !reader.0.is_empty() {
        let id = reader.byte()?;
        let length = reader.number()?;
        let mut section = Reader(reader.take(length)?);
        match id {
            CUSTOM_SECTION => typed |= section.name()?.starts_with("component-type"),
            IMPORT_SECTION => check_imports(&mut section)?,
            _ => {}
        }
    }
    ensure!(
        typed,
        "has no `component-type` section; does it export a policy with the SDK's macro?"
    );
    Ok(())
}

fn check_imports(section: &mut Reader<'_>) -> Result<()> {
    for _ in 0..section.number()? {
        let (module, name) = (section.name()?, section.name()?);
        // Only functions have a one-number description, so anything else must end the reading here.
        let allowed = module.starts_with(ALLOWED) && section.byte()? == FUNCTION;
        ensure!(
            allowed,
            "imports `{name}` from `{module}`; a policy may import functions of `{ALLOWED}*` only"
        );
        section.number()?;
    }
    Ok(())
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length).context("ends in the middle")?;
        self.0 = tail;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned LEB128 number of at most 32 bits.
    fn number(&mut self) -> Result<usize> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).context("has a number beyond this machine's");
            }
        }
        bail!("has a number of more than 32 bits")
    }

    fn name(&mut self) -> Result<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).context("has a name that is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::{PREAMBLE, check};

    fn named(text: &str) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(text.len()).expect("a short name")];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![id, u8::try_from(body.len()).expect("a short section")];
        bytes.extend_from_slice(body);
        bytes
    }

    fn module(from: &str, name: &str, description: &[u8]) -> Vec<u8> {
        let imports = [vec![1], named(from), named(name), description.to_vec()].concat();
        let typed = section(0, &named("component-type:policy"));
        [PREAMBLE.to_vec(), section(2, &imports), typed].concat()
    }

    fn fault(module: &[u8]) -> String {
        check(module).expect_err("the module should be refused").to_string()
    }

    #[test]
    fn an_import_of_the_contract_is_fine() {
        check(&module("sendgate:policy/state@0.1.0", "take", &[0, 3])).expect("allowed");
    }

    #[test]
    fn an_import_from_wasi_or_env_is_named_and_refused() {
        let wasi = fault(&module("wasi_snapshot_preview1", "fd_write", &[0, 3]));
        assert!(wasi.contains("`fd_write` from `wasi_snapshot_preview1`"), "{wasi}");
        let env = fault(&module("env", "memory", &[2, 0, 1]));
        assert!(env.contains("`memory` from `env`"), "{env}");
    }

    #[test]
    fn an_imported_memory_is_refused_even_under_the_contracts_name() {
        let memory = fault(&module("sendgate:policy/state@0.1.0", "memory", &[2, 0, 1]));
        assert!(memory.contains("functions"), "{memory}");
    }

    #[test]
    fn a_module_without_its_component_type_is_refused() {
        assert!(fault(&PREAMBLE).contains("component-type"));
    }

    #[test]
    fn a_module_cut_short_is_refused_at_every_length() {
        let whole = module("sendgate:policy/state@0.1.0", "take", &[0, 3]);
        for length in 0..whole.len() {
            assert!(check(&whole[..length]).is_err(), "the first {length} bytes passed");
        }
    }
}
