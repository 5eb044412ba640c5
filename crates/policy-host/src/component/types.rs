//! What a module says of its types, looked at before anybody follows them: the decoder and the encoder of a core module,
//! and the engine's reader of a component, call themselves for each step, and a stack that overflows ends the whole
//! process.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{Parser, Payload};
use wit_parser::decoding;

use crate::error::LoadFault;
use crate::sections;

/// The custom sections with them.
const PREFIX: &str = "component-type";
/// Most bytes of all of them together; the contract's have some 6,000. A type is nested no deeper than it has bytes.
const MOST_BYTES: usize = 256 << 10;

/// Packages by name, each with those that it needs.
type Needs = BTreeMap<String, BTreeSet<String>>;

/// Whether the types that `module` carries can be followed to an end.
///
/// # Errors
///
/// [`LoadFault::Types`] where they are too large or their packages need each other, [`LoadFault::Encode`] where they
/// cannot be read.
pub(super) fn end(module: &[u8]) -> Result<(), LoadFault> {
    let carried: Vec<&[u8]> = sections::customs(module, PREFIX).collect();
    let bytes: usize = carried.iter().map(|section| section.len()).sum();
    if bytes > MOST_BYTES {
        return Err(LoadFault::Types(format!(
            "have {bytes} bytes; at most {MOST_BYTES} are taken"
        )));
    }
    let mut needs = Needs::new();
    for section in carried {
        add(&mut needs, section).map_err(LoadFault::Encode)?;
    }
    match circle(needs) {
        Some(names) => Err(LoadFault::Types(format!(
            "are of packages that need each other ({names}); build it again, against one version of each"
        ))),
        None => Ok(()),
    }
}

/// Whether the types of the component `module`, and of what is in it, are nested no deeper than the reader takes them.
/// The engine's own, which is older, calls itself for each level and has no bound.
///
/// # Errors
///
/// [`LoadFault::Types`] where they are, [`LoadFault::Compile`] where the bytes are no component.
pub(super) fn are_shallow(module: &[u8]) -> Result<(), LoadFault> {
    for payload in Parser::new(0).parse_all(module) {
        let fault = match payload.map_err(|error| LoadFault::Compile(error.into()))? {
            Payload::ComponentTypeSection(types) => types.into_iter().find_map(Result::err),
            Payload::CoreTypeSection(types) => types.into_iter().find_map(Result::err),
            _ => None,
        };
        if let Some(error) = fault {
            return Err(LoadFault::Types(format!("cannot be read: {}", error.message())));
        }
    }
    Ok(())
}

fn add(
    needs: &mut Needs,
    section: &[u8],
) -> Result<(), Box<dyn std::error::Error + Send + Sync + 'static>> {
    let (resolve, _world) = decoding::decode_world(section)?;
    for (id, package) in resolve.packages.iter() {
        let of = needs.entry(package.name.to_string()).or_default();
        of.extend(
            resolve.package_direct_deps(id).map(|need| resolve.packages[need].name.to_string()),
        );
    }
    Ok(())
}

/// Those packages of `needs` that need each other.
fn circle(mut needs: Needs) -> Option<String> {
    // What needs nothing of them, and what nothing of them needs, is in no circle.
    loop {
        let needed: BTreeSet<&String> = needs.values().flatten().collect();
        let is_loose = |name: &String, of: &BTreeSet<String>| {
            !needed.contains(name) || of.iter().all(|need| !needs.contains_key(need))
        };
        let loose = needs.iter().filter(|(name, of)| is_loose(name, of));
        let loose: Vec<String> = loose.map(|(name, _)| name.clone()).collect();
        if loose.is_empty() {
            break;
        }
        loose.iter().for_each(|name| drop(needs.remove(name)));
    }
    let names: Vec<String> = needs.into_keys().collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{LoadFault, MOST_BYTES, Needs, are_shallow, circle, end};
    use crate::sections::with_custom;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn packages_that_need_each_other_are_named_and_others_are_not() {
        let needs = |pairs: &[(&str, &str)]| {
            let mut needs = Needs::new();
            for (name, need) in pairs {
                needs.entry((*name).to_owned()).or_default().insert((*need).to_owned());
            }
            needs
        };
        assert_eq!(circle(needs(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
        let both = needs(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("e", "a")]);
        assert_eq!(circle(both), Some("a, b".to_owned()));
        assert_eq!(circle(needs(&[("a", "a")])), Some("a".to_owned()));
    }

    #[test]
    fn more_types_than_a_policy_needs_are_not_read() {
        let large = with_custom(EMPTY, "component-type:large", &vec![0; MOST_BYTES + 1]);
        let fault = end(&large).expect_err("too large");
        assert!(matches!(&fault, LoadFault::Types(why) if why.contains("262145 bytes")), "{fault}");
        let broken = with_custom(EMPTY, "component-type:broken", b"\0asm");
        assert!(matches!(end(&broken), Err(LoadFault::Encode(_))));
        assert!(end(EMPTY).is_ok());
    }

    #[test]
    fn types_of_a_component_that_are_nested_beyond_measure_are_not_followed() {
        // A type section with a component or instance type, whose one declaration is the next.
        let nested = |kind: u8, levels: usize| {
            let types = [&[1, kind][..], &[1, 1, kind].repeat(levels), &[0]].concat();
            let mut size = types.len();
            let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
            while size >= 0x80 {
                bytes.push(u8::try_from(size & 0x7f).unwrap_or(0) | 0x80);
                size >>= 7;
            }
            bytes.push(u8::try_from(size).unwrap_or(0));
            [bytes, types].concat()
        };
        for kind in [0x41, 0x42] {
            assert!(are_shallow(&nested(kind, 3)).is_ok());
            for levels in [1_000, 100_000] {
                let fault = are_shallow(&nested(kind, levels)).expect_err("too deep");
                assert!(matches!(fault, LoadFault::Types(_)), "{fault}");
            }
        }
    }
}
