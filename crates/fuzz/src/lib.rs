//! Every reader of outside bytes, fed with bytes that nobody meant. What was found once stays found: the tests feed each
//! reader its corpus, `corpus/NAME`; `cargo xtask fuzz` looks for more, led by what of our code was reached.

mod readers;

use self::readers::{cases, module, number, signature, text, url};

/// Something that reads bytes of the outside, and panics where it must not or where what it read does not hold.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// The reader.
    pub read: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 17] = [
    Target { name: "native", read: sidecar::fuzzing::native },
    Target { name: "seed", read: sidecar::fuzzing::seed },
    Target { name: "plivo", read: sidecar::fuzzing::plivo },
    Target { name: "headers", read: sidecar::fuzzing::headers },
    Target { name: "report", read: sidecar::fuzzing::report },
    Target { name: "config", read: sidecar::fuzzing::config },
    Target { name: "decision", read: sidecar::fuzzing::decision },
    Target { name: "number", read: number },
    Target { name: "text", read: text },
    Target { name: "url", read: url },
    Target { name: "signature", read: signature },
    Target { name: "module", read: module },
    Target { name: "cases", read: cases },
    Target { name: "answer", read: plivo_client::fuzzing::answer },
    Target { name: "redis", read: store_redis::fuzzing::answer },
    Target { name: "registry", read: registry::fuzzing::answer },
    Target { name: "probe", read: media_probe::fuzzing::head },
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::TARGETS;

    #[test]
    fn every_reader_reads_its_corpus_as_it_should() {
        for target in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
            let files =
                fs::read_dir(&folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
            let mut count = 0;
            for file in files {
                let file = file.unwrap().path();
                // Told before, so that a reader that dies of it is known by it.
                println!("{}", file.display());
                (target.read)(&fs::read(&file).unwrap());
                count += 1;
            }
            assert!(count > 0, "{} is empty", folder.display());
        }
    }
}
