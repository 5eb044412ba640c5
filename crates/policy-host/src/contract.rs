//! Whether a component speaks the contract, and imports only what it was granted.

use wasmtime::Engine;
use wasmtime::component::{Component, ComponentExportIndex};

use crate::error::{LoadFault, MissingGrant};
use crate::{Grant, Grants};

const PACKAGE: &str = "sendgate:policy";

/// The optional functions that a component exports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) on_outcome: Option<ComponentExportIndex>,
    pub(crate) on_delivery_report: Option<ComponentExportIndex>,
    pub(crate) on_receipt: Option<ComponentExportIndex>,
    pub(crate) on_inbound: Option<ComponentExportIndex>,
}

/// What a component imports and exports, looked at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) hooks: Hooks,
    /// The interfaces of the contract that it imports, but for `types`.
    pub(crate) imports: Vec<String>,
    /// The grants that these need.
    pub(crate) needs: Grants,
    /// The interface that makes it a policy, as it names it.
    pub(crate) guest: String,
    /// Its own cases, as its custom section holds them.
    pub(crate) cases: Option<Box<[u8]>>,
}

/// An interface's name taken apart, such as `sendgate:policy/state@0.1.0`.
pub(crate) struct InterfaceName<'a> {
    pub(crate) package: &'a str,
    pub(crate) interface: &'a str,
    version: &'a str,
}

/// Looks at what `component` imports and exports before anything of it runs: its shape, and the imports that it cannot
/// have.
pub(crate) fn check_contract(
    engine: &Engine,
    component: &Component,
    grants: Grants,
) -> Result<(Shape, Vec<LoadFault>), LoadFault> {
    let shape = component.component_type();
    let names = shape.imports(engine).map(|(name, _)| name);
    let (imports, needs, withheld) = check_imports(names, grants)?;

    let exports: Vec<&str> = shape.exports(engine).map(|(name, _)| name).collect();
    let ours = |wanted: &str| {
        exports.iter().find(|name| {
            InterfaceName::of(name).is_some_and(|name| name.is_ours() && name.interface == wanted)
        })
    };
    let guest = match ours("guest") {
        Some(name) => {
            speaks_our_version(name)?;
            (*name).to_owned()
        }
        None => {
            let imports = shape.imports(engine).map(|(name, _)| name.to_owned());
            return Err(LoadFault::NotAPolicy {
                expected: format!("{PACKAGE}/guest@{}", policy_wit::VERSION),
                found: exports.iter().map(|name| (*name).to_owned()).collect(),
                imports: imports.collect(),
            });
        }
    };
    let hook = |interface: &str, function: &str| -> Result<_, LoadFault> {
        let Some(name) = ours(interface) else { return Ok(None) };
        speaks_our_version(name)?;
        let instance = component.get_export_index(None, *name);
        Ok(instance.and_then(|instance| component.get_export_index(Some(&instance), function)))
    };
    let hooks = Hooks {
        on_outcome: hook("outcomes", "on-outcome")?,
        on_delivery_report: hook("reports", "on-delivery-report")?,
        on_receipt: hook("receipts", "on-receipt")?,
        on_inbound: hook("inbound", "on-inbound")?,
    };
    Ok((Shape { hooks, imports, needs, guest, cases: None }, withheld))
}

/// The contract's interfaces among `imports`, the grants that they need, and what is wrong with the rest.
fn check_imports<'a>(
    imports: impl Iterator<Item = &'a str>,
    grants: Grants,
) -> Result<(Vec<String>, Grants, Vec<LoadFault>), LoadFault> {
    let (mut missing, mut wasi, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ours, mut needs) = (Vec::new(), Vec::new());
    for import in imports {
        let parts = InterfaceName::of(import);
        match &parts {
            Some(name) if name.is_ours() => {
                speaks_our_version(import)?;
                match Grant::for_interface(name.interface) {
                    Some(grant) if grants.contains(grant) => {
                        ours.push(import.to_owned());
                        needs.push(grant);
                    }
                    Some(grant) => missing.push(MissingGrant { import: import.to_owned(), grant }),
                    None if name.interface == "types" => {}
                    None if is_newer(name.version) => return Err(other_version(import)),
                    None => unknown.push(import.to_owned()),
                }
            }
            Some(name) if name.is_wasi() => {}
            _ if import.starts_with("wasi:") => wasi.push(import.to_owned()),
            _ => unknown.push(import.to_owned()),
        }
    }
    let withheld = [
        (!unknown.is_empty()).then_some(LoadFault::UnknownImports(unknown)),
        (!wasi.is_empty()).then_some(LoadFault::Wasi(wasi)),
        (!missing.is_empty()).then_some(LoadFault::MissingGrants(missing)),
    ];
    Ok((ours, needs.into_iter().collect(), withheld.into_iter().flatten().collect()))
}

/// Before 1.0.0 a minor version may break, and a patch may not.
fn speaks_our_version(interface: &str) -> Result<(), LoadFault> {
    let line = |version: &str| version.rsplit_once('.').map(|(line, _patch)| line.to_owned());
    let found = InterfaceName::of(interface).and_then(|name| line(name.version));
    match found.is_some() && found == line(policy_wit::VERSION) {
        true => Ok(()),
        false => Err(other_version(interface)),
    }
}

fn other_version(interface: &str) -> LoadFault {
    LoadFault::ContractVersion { found: interface.to_owned(), supported: policy_wit::VERSION }
}

/// Whether a version of our line has more than the one spoken here.
fn is_newer(version: &str) -> bool {
    let patch = |version: &str| version.rsplit_once('.').and_then(|(_, patch)| patch.parse().ok());
    patch(version) > patch(policy_wit::VERSION).unwrap_or(0_u32).into()
}

impl<'a> InterfaceName<'a> {
    pub(crate) fn of(name: &'a str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        Some(Self { package, interface, version })
    }

    fn is_ours(&self) -> bool {
        self.package == PACKAGE
    }

    /// Whether it is of the WASI that is linked to nothing: any 0.2.
    pub(crate) fn is_wasi(&self) -> bool {
        self.package.starts_with("wasi:") && self.version.starts_with("0.2.")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::check_imports;
    use crate::error::LoadFault;
    use crate::{Grant, Grants};

    /// What is wrong with `imports` of a module with these grants.
    fn withheld(imports: &[&str], grants: Grants) -> Vec<LoadFault> {
        check_imports(imports.iter().copied(), grants).unwrap().2
    }

    #[test]
    fn every_import_without_its_grant_is_named_at_once() {
        let imports = [
            "sendgate:policy/types@0.1.0",
            "sendgate:policy/state@0.1.0",
            "sendgate:policy/log@0.1.9",
        ];
        assert!(withheld(&imports, Grants::from_iter(Grant::ALL)).is_empty());

        let faults = withheld(&imports, Grants::default());
        let [LoadFault::MissingGrants(missing)] = &faults[..] else { panic!("{faults:?}") };
        let grants: Vec<_> = missing.iter().map(|each| each.grant).collect();
        assert_eq!(grants, [Grant::State, Grant::Log]);
    }

    #[test]
    fn another_version_of_the_contract_is_refused_with_both_versions() {
        let fault = check_imports(["sendgate:policy/types@0.2.0"].into_iter(), Grants::default())
            .unwrap_err();
        let said = fault.to_string();
        assert!(said.contains("types@0.2.0") && said.contains("sendgate:policy@0.1.0"), "{said}");
        // What a later version of the line has added.
        let newer = ["sendgate:policy/clock@0.1.7"].into_iter();
        let said = check_imports(newer, Grants::default()).unwrap_err().to_string();
        assert!(said.contains("clock@0.1.7") && said.contains("sendgate:policy@0.1.0"), "{said}");
    }

    #[test]
    fn another_wasi_than_0_2_and_unknown_imports_are_refused_by_name() {
        let wasi = ["wasi:cli/environment@0.2.0", "wasi:io/streams@0.2.12"];
        assert!(withheld(&wasi, Grants::default()).is_empty());

        let wasi = ["wasi:cli/environment@0.3.0", "wasi:io/streams"];
        let unknown = ["acme:db/query@1.0.0", "sendgate:policy/clock@0.1.0", "env"];
        let all = [&unknown[..], &wasi, &["sendgate:policy/state@0.1.0"]].concat();
        let faults = withheld(&all, Grants::default());
        let [
            LoadFault::UnknownImports(names),
            LoadFault::Wasi(others),
            LoadFault::MissingGrants(_),
        ] = &faults[..]
        else {
            panic!("{faults:?}")
        };
        assert_eq!(
            (&names[..], &others[..]),
            (&unknown.map(str::to_owned)[..], &wasi.map(str::to_owned)[..])
        );
    }
}
