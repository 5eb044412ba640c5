//! `cargo xtask contract`: the policy contract as a page, written from the WIT.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};
use wit_parser::{Docs, Function, Interface, Resolve, Type, TypeDefKind, WorldItem};

use crate::workspace::Workspace;

/// Where the contract is, and the page about it; relative to the root.
pub(crate) const WIT: &str = "crates/policy-wit/wit/policy.wit";
pub(crate) const PAGE: &str = "crates/policy-wit/CONTRACT.md";

/// Writes the page.
///
/// # Errors
///
/// Where the contract cannot be read or the page not written.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let wit = fs::read_to_string(workspace.root.join(WIT)).context(WIT)?;
    fs::write(workspace.root.join(PAGE), page(&wit)?).context(PAGE)
}

/// The page of the contract `wit`.
///
/// # Errors
///
/// Where it is not WIT.
pub(crate) fn page(wit: &str) -> Result<String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_source(WIT, wit)?;
    let package = &resolve.packages[package];
    let mut page = format!("# The policy contract: `{}`\n\n", package.name);
    page += "Written from [policy.wit](wit/policy.wit) by `cargo xtask contract`; `cargo xtask tidy` asks for it.\n";
    paragraph(&mut page, &package.docs);
    page += "\n## Worlds\n\n| World | Imports | Exports | |\n|---|---|---|---|\n";
    for (name, world) in &package.worlds {
        let world = &resolve.worlds[*world];
        let (imports, exports) = (&world.imports, &world.exports);
        let listed = |items: &mut dyn Iterator<Item = &WorldItem>| {
            let names = items.filter_map(|item| match item {
                WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.as_deref(),
                _ => None,
            });
            names.map(|name| format!("[`{name}`](#{name})")).collect::<Vec<_>>().join(", ")
        };
        let (imports, exports) = (listed(&mut imports.values()), listed(&mut exports.values()));
        writeln!(page, "| `{name}` | {imports} | {exports} | {} |", line(&world.docs))?;
    }
    for (name, interface) in &package.interfaces {
        write!(page, "\n## {name}\n")?;
        interface_of(&mut page, &resolve, &resolve.interfaces[*interface])?;
    }
    Ok(page)
}

fn interface_of(page: &mut String, resolve: &Resolve, interface: &Interface) -> Result<()> {
    paragraph(page, &interface.docs);
    for (name, id) in &interface.types {
        let defined = &resolve.types[*id];
        if let TypeDefKind::Type(Type::Id(_)) = defined.kind {
            continue; // another interface's, by `use`
        }
        write!(page, "\n### {} `{name}`\n", defined.kind.as_str())?;
        paragraph(page, &defined.docs);
        match &defined.kind {
            TypeDefKind::Record(record) => {
                *page += "\n| Field | Type | |\n|---|---|---|\n";
                for field in &record.fields {
                    let typed = type_of(resolve, field.ty);
                    writeln!(page, "| `{}` | `{typed}` | {} |", field.name, line(&field.docs))?;
                }
            }
            TypeDefKind::Variant(variant) => {
                *page += "\n| Case | Of | |\n|---|---|---|\n";
                for case in &variant.cases {
                    let of = case.ty.map(|ty| format!("`{}`", type_of(resolve, ty)));
                    let of = of.unwrap_or_default();
                    writeln!(page, "| `{}` | {of} | {} |", case.name, line(&case.docs))?;
                }
            }
            TypeDefKind::Enum(words) => {
                let words: Vec<_> =
                    words.cases.iter().map(|case| format!("`{}`", case.name)).collect();
                write!(page, "\n{}.\n", words.join(", "))?;
            }
            other => write!(page, "\n`{}`\n", kind_of(resolve, other))?,
        }
    }
    for function in interface.functions.values() {
        write!(
            page,
            "\n### func `{}`\n\n```wit\n{}\n```\n",
            function.name,
            signature(resolve, function)
        )?;
        paragraph(page, &function.docs);
    }
    Ok(())
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params = function.params.iter();
    let params = params.map(|param| format!("{}: {}", param.name, type_of(resolve, param.ty)));
    let params = params.collect::<Vec<_>>().join(", ");
    let result = function.result.map(|ty| format!(" -> {}", type_of(resolve, ty)));
    format!("{}: func({params}){};", function.name, result.unwrap_or_default())
}

fn type_of(resolve: &Resolve, ty: Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::U8 => "u8".into(),
        Type::U16 => "u16".into(),
        Type::U32 => "u32".into(),
        Type::U64 => "u64".into(),
        Type::S8 => "s8".into(),
        Type::S16 => "s16".into(),
        Type::S32 => "s32".into(),
        Type::S64 => "s64".into(),
        Type::F32 => "f32".into(),
        Type::F64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::ErrorContext => "error-context".into(),
        Type::Id(id) => match &resolve.types[id].name {
            Some(name) => name.clone(),
            None => kind_of(resolve, &resolve.types[id].kind),
        },
    }
}

/// A type that has no name of its own.
fn kind_of(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let of = |ty: Type| type_of(resolve, ty);
    match kind {
        TypeDefKind::Option(ty) => format!("option<{}>", of(*ty)),
        TypeDefKind::List(ty) => format!("list<{}>", of(*ty)),
        TypeDefKind::Tuple(tuple) => {
            format!(
                "tuple<{}>",
                tuple.types.iter().map(|ty| of(*ty)).collect::<Vec<_>>().join(", ")
            )
        }
        TypeDefKind::Result(result) => match (result.ok.map(of), result.err.map(of)) {
            (None, None) => "result".into(),
            (Some(ok), None) => format!("result<{ok}>"),
            (ok, Some(err)) => format!("result<{}, {err}>", ok.as_deref().unwrap_or("_")),
        },
        TypeDefKind::Type(ty) => of(*ty),
        other => other.as_str().into(),
    }
}

fn paragraph(page: &mut String, docs: &Docs) {
    if let Some(text) = &docs.contents {
        *page += "\n";
        *page += text.trim();
        *page += "\n";
    }
}

/// Documentation in a table's cell.
fn line(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn every_kind_of_type_and_function_is_shown_with_its_words() {
        let wit = "\
            /// What holds for all.\n\
            package a:b@1.2.3;\n\
            /// Things.\n\
            interface things {\n\
                /// One thing.\n\
                record thing {\n\
                    /// Its size,\n\
                    /// or none | nothing.\n\
                    size: option<u32>,\n\
                    pairs: list<tuple<string, s64>>,\n\
                }\n\
                enum word { yes, no }\n\
                variant choice { none, some(thing) }\n\
                /// Finds one.\n\
                find: func(word: word, what: string) -> result<_, list<thing>>;\n\
            }\n\
            /// A user.\n\
            world user { import things; }\n";
        let page = page(wit).expect("a page");
        for part in [
            "# The policy contract: `a:b@1.2.3`",
            "\nWhat holds for all.\n",
            "| `user` | [`things`](#things) |  | A user. |",
            "\n## things\n\nThings.\n",
            "### record `thing`\n\nOne thing.\n",
            "| `size` | `option<u32>` | Its size, or none \\| nothing. |",
            "| `pairs` | `list<tuple<string, s64>>` |  |",
            "\n`yes`, `no`.\n",
            "| `some` | `thing` |  |",
            "```wit\nfind: func(word: word, what: string) -> result<_, list<thing>>;\n```\n\nFinds one.\n",
        ] {
            assert!(page.contains(part), "{part:?} is not in\n{page}");
        }
    }

    #[test]
    fn what_is_not_wit_has_no_page() {
        assert!(page("package").is_err());
    }
}
