//! What the kubelet does with the volumes of a pod, on a real folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// Files by their paths in a volume.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The object of a kind and name.
pub(super) fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// What a projected volume of ConfigMaps holds.
pub(super) fn projected(volume: &Value, objects: &[Value]) -> Files {
    let sources = volume["projected"]["sources"].as_array().expect("sources");
    let mut files = Files::new();
    for source in sources.iter().map(|source| &source["configMap"]) {
        let map = object(objects, "ConfigMap", source["name"].as_str().expect("a name"));
        let content = content(map);
        match source["items"].as_array() {
            None => files.extend(content),
            Some(items) => files.extend(items.iter().map(|item| {
                let key = item["key"].as_str().expect("a key");
                let bytes = content.get(key).unwrap_or_else(|| panic!("no {key} in {}", source));
                (item["path"].as_str().expect("a path").to_owned(), bytes.clone())
            })),
        }
    }
    files
}

fn content(map: &Value) -> Files {
    let members = |member: &str| map[member].as_object().cloned().unwrap_or_default();
    let text = |value: Value| value.as_str().expect("a text").to_owned();
    let plain = members("data").into_iter().map(|(key, value)| (key, text(value).into_bytes()));
    let binary = members("binaryData").into_iter().map(|(key, value)| {
        let base64: String = text(value).split_whitespace().collect();
        (key, BASE64_STANDARD.decode(base64).expect("base64"))
    });
    plain.chain(binary).collect()
}

/// A mounted volume: `NAME -> ..data/NAME`, `..data -> VERSION`, and the files in VERSION.
pub(super) struct Mount {
    folder: PathBuf,
    version: u32,
}

impl Mount {
    pub(super) fn new(folder: &Path, files: &Files) -> Self {
        let mut mount = Self { folder: folder.to_owned(), version: 0 };
        mount.write(files);
        mount.swap();
        mount.link(files);
        mount
    }

    /// The next version, which nothing leads to yet.
    pub(super) fn write(&mut self, files: &Files) {
        self.version += 1;
        for (path, bytes) in files {
            let path = self.folder.join(self.name()).join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        }
    }

    /// Everything leads to that version from now on, and the one before is gone.
    pub(super) fn swap(&self) {
        point(&self.folder.join("..data"), Path::new(&self.name()));
        // There is none before the first.
        drop(fs::remove_dir_all(self.folder.join(format!("..2026_{}", self.version - 1))));
    }

    /// The names that are seen in the volume, of which new ones come after the swap.
    pub(super) fn link(&self, files: &Files) {
        for path in files.keys() {
            let name = path.split('/').next().expect("a name");
            point(&self.folder.join(name), &Path::new("..data").join(name));
        }
    }

    fn name(&self) -> String {
        format!("..2026_{}", self.version)
    }
}

/// Makes `link` lead to `target`, in one step.
fn point(link: &Path, target: &Path) {
    let draft = link.with_file_name("..draft");
    symlink(target, &draft).and_then(|()| fs::rename(&draft, link)).expect("a link");
}
