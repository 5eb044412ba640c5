//! WASI 0.2 linked to nothing, for components of languages whose runtimes cannot do without it.
//!
//! There is no file, network, environment or argument, and no code here that could reach one. Input is at its end; what
//! is written to stdout and stderr goes to the policy's log where it has that grant, else nowhere. Both clocks show the
//! instant of the decision, and whoever waits for a later one has it at once. Randomness follows from the message's id.
//! So what a guest finds is the same whenever a decision is made again.

mod ambient;

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{
    Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, Type,
    Val,
};
use wasmtime::{Engine, StoreContextMut};

pub(crate) use ambient::Ambient;

use self::ambient::Output;
use crate::contract::InterfaceName;
use crate::visit::Visit;

/// Most bytes of one write or skip; a guest is told so before it writes.
const WRITE_BYTES: u64 = 64 << 10;

/// Stands behind every resource: nothing is kept of one but its number.
struct Nothing;

type Handle = Resource<Nothing>;
type Offered<'a> = LinkerInstance<'a, Visit>;

/// The numbers of the streams. Whatever else is handed out has number 0.
const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// What the sockets' `error-code` calls it.
const DENIED: &str = "access-denied";

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "a case of WASI's; nothing fails here")]
    LastOperationFailed(Handle),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = Result<T, StreamError>;

/// Defines all that `component` imports of WASI, each under the version by which it asks for it.
pub(super) fn add_to_linker(
    engine: &Engine,
    linker: &mut Linker<Visit>,
    component: &Component,
) -> wasmtime::Result<()> {
    for (import, item) in component.component_type().imports(engine) {
        let interface = InterfaceName::of(import).filter(InterfaceName::is_wasi);
        let (Some(interface), ComponentItem::ComponentInstance(wanted)) = (interface, item.ty)
        else {
            continue;
        };
        let mut offered = linker.instance(import)?;
        for (name, item) in wanted.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) => {
                    let nothing = ResourceType::host::<Nothing>();
                    offered.resource(name, nothing, |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(function) => {
                    let known = match interface.package {
                        "wasi:cli" => cli(&mut offered, name)?,
                        "wasi:clocks" => clocks(&mut offered, interface.interface, name)?,
                        "wasi:filesystem" => preopens(&mut offered, name)?,
                        "wasi:io" => io(&mut offered, name)?,
                        "wasi:random" => random(&mut offered, name)?,
                        _ => false,
                    };
                    if !known {
                        refuse(&mut offered, import, name, &function)?;
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Each of these says whether it knows the function `name`, and defines it then.
fn cli(offered: &mut Offered<'_>, name: &str) -> wasmtime::Result<bool> {
    let stream =
        |number| move |_: StoreContextMut<'_, Visit>, (): ()| Ok((Handle::new_own(number),));
    match name {
        "get-environment" => {
            offered.func_wrap(name, |_, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
        }
        "get-arguments" => offered.func_wrap(name, |_, (): ()| Ok((Vec::<String>::new(),)))?,
        "initial-cwd" => offered.func_wrap(name, |_, (): ()| Ok((None::<String>,)))?,
        "get-stdin" => offered.func_wrap(name, stream(STDIN))?,
        "get-stdout" => offered.func_wrap(name, stream(STDOUT))?,
        "get-stderr" => offered.func_wrap(name, stream(STDERR))?,
        "get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr" => {
            offered.func_wrap(name, |_, (): ()| Ok((None::<Handle>,)))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn clocks(offered: &mut Offered<'_>, interface: &str, name: &str) -> wasmtime::Result<bool> {
    match (interface, name) {
        ("wall-clock", "now") => offered.func_wrap(name, |store, (): ()| {
            let ms = store.data().now_ms();
            let nanoseconds = u32::try_from(ms % 1_000 * 1_000_000).unwrap_or(0);
            Ok((Datetime { seconds: ms / 1_000, nanoseconds },))
        })?,
        ("wall-clock", "resolution") => offered
            .func_wrap(name, |_, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },)))?,
        ("monotonic-clock", "now") => {
            offered.func_wrap(name, |store, (): ()| Ok((store.data().monotonic_ns(),)))?;
        }
        ("monotonic-clock", "resolution") => offered.func_wrap(name, |_, (): ()| Ok((1_u64,)))?,
        ("monotonic-clock", "subscribe-instant") => {
            offered.func_wrap(name, |mut store, (when,): (u64,)| {
                let visit = store.data_mut();
                visit.wait_ns(when.saturating_sub(visit.monotonic_ns()));
                Ok((Handle::new_own(0),))
            })?;
        }
        ("monotonic-clock", "subscribe-duration") => {
            offered.func_wrap(name, |mut store, (how_long,): (u64,)| {
                store.data_mut().wait_ns(how_long);
                Ok((Handle::new_own(0),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn preopens(offered: &mut Offered<'_>, name: &str) -> wasmtime::Result<bool> {
    let known = name == "get-directories";
    if known {
        offered.func_wrap(name, |_, (): ()| Ok((Vec::<(Handle, String)>::new(),)))?;
    }
    Ok(known)
}

fn io(offered: &mut Offered<'_>, name: &str) -> wasmtime::Result<bool> {
    type Write = (Handle, Vec<u8>);
    match name {
        "[method]pollable.ready" => offered.func_wrap(name, |_, (_,): (Handle,)| Ok((true,)))?,
        "[method]pollable.block" => offered.func_wrap(name, |_, (_,): (Handle,)| Ok(()))?,
        "poll" => offered.func_wrap(name, |_, (all,): (Vec<Handle>,)| {
            Ok(((0_u32..).zip(&all).map(|(nth, _)| nth).collect::<Vec<_>>(),))
        })?,
        "[method]input-stream.subscribe" | "[method]output-stream.subscribe" => {
            offered.func_wrap(name, |_, (_,): (Handle,)| Ok((Handle::new_own(0),)))?;
        }
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            offered.func_wrap(name, |_, (_, _): (Handle, u64)| {
                Ok((Streamed::<Vec<u8>>::Err(StreamError::Closed),))
            })?;
        }
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => {
            offered.func_wrap(name, |_, (_, _): (Handle, u64)| {
                Ok((Streamed::<u64>::Err(StreamError::Closed),))
            })?;
        }
        "[method]output-stream.splice" | "[method]output-stream.blocking-splice" => {
            offered.func_wrap(name, |_, (_, _, _): (Handle, Handle, u64)| {
                Ok((Streamed::<u64>::Err(StreamError::Closed),))
            })?;
        }
        "[method]output-stream.check-write" => {
            offered.func_wrap(name, |_, (_,): (Handle,)| Ok((Streamed::Ok(WRITE_BYTES),)))?;
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            offered.func_wrap(name, |mut store, (to, bytes): Write| {
                let to = if to.rep() == STDERR { Output::Stderr } else { Output::Stdout };
                store.data_mut().write(to, &bytes);
                Ok((Streamed::Ok(()),))
            })?;
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            offered.func_wrap(name, |_, (_,): (Handle,)| Ok((Streamed::Ok(()),)))?;
        }
        "[method]output-stream.write-zeroes"
        | "[method]output-stream.blocking-write-zeroes-and-flush" => {
            offered.func_wrap(name, |_, (_, _): (Handle, u64)| Ok((Streamed::Ok(()),)))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn random(offered: &mut Offered<'_>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            offered.func_wrap(name, |mut store, (len,): (u64,)| {
                Ok((store.data_mut().random_bytes(len)?,))
            })?;
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            offered.func_wrap(name, |mut store, (): ()| Ok((store.data_mut().random(),)))?;
        }
        "insecure-seed" => offered.func_wrap(name, |mut store, (): ()| {
            let visit = store.data_mut();
            Ok(((visit.random(), visit.random()),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What policies are not given answers `access-denied` where it can answer so, as sockets do, and else ends the visit.
fn refuse(
    offered: &mut Offered<'_>,
    import: &str,
    name: &str,
    function: &ComponentFunc,
) -> wasmtime::Result<()> {
    let denied = |result| match result {
        Type::Result(result) => result.err(),
        _ => None,
    };
    let denied = function.results().find_map(denied).filter(|error| match error {
        Type::Enum(error) => error.names().any(|case| case == DENIED),
        _ => false,
    });
    if denied.is_some() {
        return offered.func_new(name, |_, _, _, results| {
            let error = Val::Enum(DENIED.to_owned());
            results.fill(Val::Result(Err(Some(Box::new(error)))));
            Ok(())
        });
    }
    let said = format!("it called `{name}` of `{import}`, which policies are not given");
    offered.func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(said.clone())))
}
