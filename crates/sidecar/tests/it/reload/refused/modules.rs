//! Modules that are broken, half written, too large, or none.

use std::fs;
use std::io::Write as _;

use serde_json::json;

use super::{chain, is_told, of_version, place, quiet_guest};
use crate::harness::{Folder, Setup, TO, plivo};
use crate::reload::{
    NEVER_POLLS, POLLS_OFTEN, REFUSED_BY_THE_GUEST, applied, bytes_of, gate, generation, marked,
    refusal, start_in,
};

#[tokio::test]
async fn a_broken_module_is_refused_with_its_reason_and_the_mended_one_taken() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let good = bytes_of("validation");
    folder.write("gate.wasm", &good);
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let at = format!("{}: policies.gate.module: ", place(&setup.to_toml(), "\"gate.wasm\""));
    let sidecar = start_in(folder, &setup).await;
    let mut damaged = good.clone();
    // In the types that it carries, which are read before anything is compiled.
    let name = b"component-type";
    let types = good.windows(name.len()).position(|window| window == name).expect("its types");
    damaged[types + 128..][..64].fill(0xff);
    let mut before = 1;

    for (nth, (broken, wanted)) in [
        (b"#!/bin/sh\necho no module\n".to_vec(), "the module is a text"),
        (Vec::new(), "the module is empty"),
        (good[..good.len() / 2].to_vec(), "the module ends in the middle"),
        (b"\0asm\x01\0\0\0".to_vec(), "the core module carries no component type"),
        (of_version(&good, "9.9.9"), "the module is built for `sendgate:policy"),
        (damaged, "the core module cannot be made a component"),
    ]
    .into_iter()
    .enumerate()
    {
        sidecar.folder.write("gate.wasm", broken);
        is_told(&sidecar, before, &format!("{at}{wanted}")).await;

        let mended = marked("validation", u8::try_from(nth).expect("a few"));
        sidecar.folder.write("gate.wasm", mended);
        before = applied(&sidecar, before).await;
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn what_keeps_a_file_from_being_read_is_told_as_it_is_by_now() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", POLLS_OFTEN).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let gate = sidecar.folder.path().join("gate.wasm");

    fs::remove_file(&gate).unwrap();
    is_told(&sidecar, 1, "there is no module at").await;
    fs::create_dir(&gate).unwrap();
    is_told(&sidecar, 1, "is a folder; name the module's file in it").await;
    fs::remove_dir(&gate).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&gate).unwrap();
    is_told(&sidecar, 1, "is not a regular file; name the module's file").await;
    fs::remove_file(&gate).unwrap();
    std::os::unix::fs::symlink("gate.wasm", &gate).unwrap();
    is_told(&sidecar, 1, "cannot be looked at: Too many levels of symbolic links").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_module_that_is_written_in_place_is_taken_when_it_is_whole() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let guest = bytes_of("runaway");
    let path = sidecar.folder.path().join("gate.wasm");

    let mut file = fs::File::create(&path).expect("the module's file");
    file.write_all(&guest[..guest.len() / 2]).expect("a half");
    drop(file);
    is_told(&sidecar, 1, "policies.gate.module: the module ends in the middle of a section").await;
    let mut file = fs::File::options().append(true).open(&path).expect("the module's file");
    file.write_all(&guest[guest.len() / 2..]).expect("the other half");
    drop(file);
    applied(&sidecar, 1).await;

    let message = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});
    sidecar.send(&message).await.refused(422, "test.asked");

    fs::remove_file(&path).expect("the module's file");
    let gone = "policies.gate.module: there is no module at ";
    assert_eq!(refusal(&sidecar, gone).await.len(), 1);
    sidecar.send(&message).await.refused(422, "test.asked");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_module_that_is_larger_than_any_is_refused_before_it_is_read() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let module = folder.write("guest.wasm", bytes_of("runaway"));
    let setup = chain(&plivo, quiet_guest().set("module", "guest.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let large = fs::File::options().write(true).open(&module).unwrap();
    large.set_len(8 << 30).unwrap();
    drop(large);

    refusal(&sidecar, "guest.wasm cannot be read: it is larger than 67108864 bytes").await;
    assert_eq!(generation(&sidecar).await, 1);
    sidecar.stop().await;
}
