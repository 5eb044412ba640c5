//! A module that is written anew while it is being read.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::harness::{Folder, Setup, eventually, plivo};
use crate::reload::load::{Verdicts, under_load};
use crate::reload::{POLLS_OFTEN, bytes_of, digest, gate, marked, start_in};

/// How often it is written.
const TIMES: usize = 50;

/// Writes `bytes` as a copy does, in place and in pieces; `closed` between them, so that nobody can tell that more comes.
async fn write(path: &Path, bytes: &[u8], closed: bool) {
    let mut file = File::create(path).expect("the module's file");
    for piece in bytes.chunks(bytes.len() / 2) {
        file.write_all(piece).expect("a piece");
        if closed {
            drop(file);
            tokio::task::yield_now().await;
            file = File::options().append(true).open(path).expect("the module's file");
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_module_that_is_written_in_pieces_fifty_times_is_in_force_whole_or_not_at_all() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", POLLS_OFTEN).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let path = sidecar.folder.path().join("gate.wasm");
    let kinds = ["runaway", "validation"].into_iter().cycle();
    let modules: Vec<_> = kinds.zip(0..8).map(|(name, mark)| marked(name, mark)).collect();
    let mut verdicts: Verdicts = modules
        .iter()
        .map(|bytes| digest(bytes))
        .zip(["reject", "accept"].into_iter().cycle())
        .collect();
    verdicts.insert(digest(&bytes_of("validation")), "accept");

    under_load(&sidecar, &plivo, &verdicts, async || {
        for round in 1..=TIMES {
            let module = &modules[round % modules.len()];
            write(&path, module, round % 2 == 0).await;
            if round % 5 == 0 {
                let in_force = async || {
                    let listed = sidecar.admin("/policies").await.expect(200);
                    let found = &listed["policies"][0]["digest"];
                    (*found == digest(module).as_str()).then_some(())
                };
                eventually(&format!("what was written in round {round} is in force"), in_force)
                    .await;
            }
        }
    })
    .await;

    let ready = sidecar.ready().await.expect(200);
    assert!(ready["reload_refused"].is_null(), "{ready}");
    sidecar.stop().await;
}
