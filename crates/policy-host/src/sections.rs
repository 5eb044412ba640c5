//! The sections that a module's bytes are made of, and what custom ones hold.

/// Magic number, version and layer.
const HEADER_BYTES: usize = 8;
/// Ids of sections. Sources: WebAssembly core 2.0, 5.5.2; the component model's binary format, "Component Definitions".
const CUSTOM: u8 = 0;
const IMPORTS: u8 = 2;
const COMPONENT: u8 = 4;
const NESTED: [u8; 2] = [1, COMPONENT];
const COMPONENT_LAYER: u8 = 1;
/// What is imported.
const FUNCTION: u8 = 0;

/// Reads section after section. Ends at the first that is not there to its end.
struct Sections<'a>(&'a [u8]);

impl<'a> Iterator for Sections<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, rest) = self.0.split_first()?;
        let (size, rest) = leb128(rest)?;
        let (content, after) = rest.split_at_checked(size)?;
        self.0 = after;
        Some((*id, content))
    }
}

/// Whether every section is there to its end. The encoder trusts that, and a file may be read half written.
pub(crate) fn are_whole(module: &[u8]) -> bool {
    let mut sections = Sections(module.get(HEADER_BYTES..).unwrap_or_default());
    while sections.next().is_some() {}
    sections.0.is_empty()
}

/// Whether components stand in one another in `module` for more than `most` levels.
pub(crate) fn are_deeper(module: &[u8], most: usize) -> bool {
    let mut level = vec![module];
    for _ in 0..=most {
        let within = level.into_iter().filter(|bytes| bytes.get(6) == Some(&COMPONENT_LAYER));
        let sections = within.flat_map(|bytes| Sections(bytes.get(HEADER_BYTES..).unwrap_or(&[])));
        level = sections.filter(|(id, _)| *id == COMPONENT).map(|(_, content)| content).collect();
        if level.is_empty() {
            return false;
        }
    }
    true
}

/// The content of the first custom section called `name`, in `module` itself or, where it is a component, in what that
/// is made of.
pub(crate) fn custom<'a>(module: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let is_component = module.get(6) == Some(&COMPONENT_LAYER);
    let mut sections = Sections(module.get(HEADER_BYTES..)?);
    sections.find_map(|(id, content)| match id {
        CUSTOM => {
            let (length, rest) = leb128(content)?;
            let (own, content) = rest.split_at_checked(length)?;
            (own == name.as_bytes()).then_some(content)
        }
        nested if is_component && NESTED.contains(&nested) => custom(content, name),
        _ => None,
    })
}

/// The contents of the custom sections of the core module `module` whose names begin with `prefix`.
pub(crate) fn customs<'a>(module: &'a [u8], prefix: &str) -> impl Iterator<Item = &'a [u8]> {
    let sections = Sections(module.get(HEADER_BYTES..).unwrap_or_default());
    sections.filter_map(move |(id, content)| {
        let (length, rest) = leb128(content).filter(|_| id == CUSTOM)?;
        let (own, content) = rest.split_at_checked(length)?;
        own.starts_with(prefix.as_bytes()).then_some(content)
    })
}

/// `module`, which is whole, with a custom section called `name` that holds `content`, in the place of any of its own.
/// It stands first, and so before one in what a component is made of.
pub(crate) fn with_custom(module: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let (header, rest) = module.split_at(HEADER_BYTES.min(module.len()));
    let mut named = Vec::new();
    put_leb128(&mut named, name.len());
    named.extend_from_slice(name.as_bytes());
    let mut out = Vec::with_capacity(module.len() + content.len() + name.len() + 16);
    out.extend_from_slice(header);
    let own = [&named, content].concat();
    let others = Sections(rest).filter(|(id, held)| *id != CUSTOM || !held.starts_with(&named));
    for (id, held) in std::iter::once((CUSTOM, &own[..])).chain(others) {
        out.push(id);
        put_leb128(&mut out, held.len());
        out.extend_from_slice(held);
    }
    out
}

/// The modules that the core module `module` imports from, each once; as far as they can be read.
pub(crate) fn imported(module: &[u8]) -> Vec<String> {
    let mut sections = Sections(module.get(HEADER_BYTES..).unwrap_or_default());
    let imports = sections.find(|(id, _)| *id == IMPORTS).map(|(_, held)| held);
    let mut names: Vec<String> = Vec::new();
    let Some((count, mut rest)) = imports.and_then(leb128) else { return names };
    for _ in 0..count {
        let Some((from, after)) = import(rest) else { break };
        if !names.iter().any(|name| name == from) {
            names.push(from.to_owned());
        }
        rest = after;
    }
    names
}

/// The module that the first of `imports` is from, where it is of a function, and what follows. Source: WebAssembly core
/// 2.0, 5.5.5.
fn import(imports: &[u8]) -> Option<(&str, &[u8])> {
    let text = |bytes| {
        let (length, rest) = leb128(bytes)?;
        rest.split_at_checked(length)
    };
    let (from, rest) = text(imports)?;
    let (_item, rest) = text(rest)?;
    let from = std::str::from_utf8(from).ok()?;
    // Of what is no function it is enough to know where it is from.
    let after = rest.strip_prefix(&[FUNCTION]).and_then(leb128).map(|(_type, after)| after);
    Some((from, after.unwrap_or_default()))
}

/// The component of these bytes with `component` in it.
#[cfg(test)]
pub(crate) fn with_nested(outer: &[u8], component: &[u8]) -> Vec<u8> {
    let mut out = [outer, &[COMPONENT]].concat();
    put_leb128(&mut out, component.len());
    out.extend_from_slice(component);
    out
}

/// Source: the WebAssembly binary format, "Integers".
fn put_leb128(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

/// An unsigned number of at most 32 bits, and what follows it. Source: the WebAssembly binary format, "Integers".
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(number).ok()?, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{are_whole, custom, with_custom};

    const CORE: &[u8] = b"\0asm\x01\0\0\0";
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id, u8::try_from(content.len()).expect("a short section")], content].concat()
    }

    #[test]
    fn a_custom_section_is_found_by_its_name_in_a_module_and_inside_a_component() {
        let named = section(0, b"\x05casesabc");
        let core = [CORE, &section(0, b"\x04nameabc"), &named].concat();
        assert_eq!(custom(&core, "cases"), Some(&b"abc"[..]));
        assert_eq!(custom(&core, "case"), None);
        let outside = [COMPONENT, &named].concat();
        assert_eq!(custom(&outside, "cases"), Some(&b"abc"[..]));
        let inside = [COMPONENT, &section(1, &core)].concat();
        assert_eq!(custom(&inside, "cases"), Some(&b"abc"[..]));
        // In a core module, section 1 holds types.
        assert_eq!(custom(&[CORE, &section(1, &core)].concat(), "cases"), None);
    }

    #[test]
    fn a_section_is_put_in_before_all_others_and_in_the_place_of_an_earlier_one() {
        let (other, named) = (section(0, b"\x04nameabc"), section(0, b"\x05casesabc"));
        let inside = section(1, &[CORE, &named].concat());
        for (header, rest) in [(CORE, &other), (COMPONENT, &inside)] {
            let module = [header, rest, &named].concat();
            let content = "x".repeat(300);
            let long = with_custom(&module, "cases", content.as_bytes());
            assert!(are_whole(&long));
            assert_eq!(custom(&long, "cases"), Some(content.as_bytes()));
            let again = with_custom(&long, "cases", b"abc");
            assert_eq!(again, [header, &named, rest].concat());
        }
    }

    #[test]
    fn a_module_cut_off_anywhere_is_not_whole_and_has_no_section_there() {
        let whole = [CORE, &section(0, b"\x05casesabc")].concat();
        assert!(are_whole(&whole) && are_whole(CORE));
        for end in 9..whole.len() {
            assert!(!are_whole(&whole[..end]), "cut at {end}");
            assert_eq!(custom(&whole[..end], "cases"), None, "cut at {end}");
        }
    }
}
