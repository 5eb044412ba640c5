//! The system's notices of changes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind};
use tokio::sync::mpsc;

use super::SETTLE;
use crate::config::Snapshot;

/// How long a file that is written and not closed is waited for, after the last write.
const UNCLOSED: Duration = Duration::from_secs(60);

/// The system's notices on every folder that holds a file of interest.
///
/// Folders, since a file that is replaced by renaming, or behind a link that is swapped as Kubernetes does it, is not
/// the file that was watched before.
pub(super) struct Watch {
    watcher: Option<notify::RecommendedWatcher>,
    folders: Vec<PathBuf>,
    writing: Arc<Writing>,
}

/// The files that somebody writes and has not closed yet, without links in their names, each since when it was written
/// last.
#[derive(Default)]
struct Writing(Mutex<HashMap<PathBuf, Instant>>);

impl Watch {
    pub(super) fn new(noticed: mpsc::Sender<()>) -> Self {
        let writing = Arc::new(Writing::default());
        let seen = Arc::clone(&writing);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = &event {
                seen.note(event);
            }
            if event.is_err() || event.is_ok_and(|event| changes_something(event.kind)) {
                // One notice in the channel is enough; more would say the same.
                let _ = noticed.try_send(());
            }
        });
        let watcher = watcher
            .map_err(|err| tracing::warn!(error = %err, "no file notices; polling only"))
            .ok();
        Self { watcher, folders: Vec::new(), writing }
    }

    /// Returns once nobody is in the middle of writing a file of `seen`.
    pub(super) async fn until_written(&self, seen: &Snapshot) {
        while self.are_written(seen.paths()) {
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// Whether somebody is in the middle of writing one of `files`, as far as the system tells. Who wrote last a minute
    /// ago and has not closed it is waited for no longer.
    pub(super) fn are_written<'a>(&self, files: impl IntoIterator<Item = &'a PathBuf>) -> bool {
        let mut writing = self.writing.lock();
        writing.retain(|_, last| last.elapsed() < UNCLOSED);
        let mut files = files.into_iter();
        !writing.is_empty()
            && files.any(|file| file.canonicalize().is_ok_and(|file| writing.contains_key(&file)))
    }

    /// Watches the folders of `files` and no others. Whether one is new among them: what happened there before has
    /// given no notice.
    pub(super) fn folders_of<'a>(&mut self, files: impl IntoIterator<Item = &'a PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let mut wanted: Vec<PathBuf> = files.into_iter().flat_map(|file| folders(file)).collect();
        wanted.sort();
        wanted.dedup();
        for gone in self.folders.iter().filter(|folder| !wanted.contains(folder)) {
            // It may have been removed, and its watch with it.
            drop(notify::Watcher::unwatch(watcher, gone));
        }
        self.folders.retain(|folder| wanted.contains(folder));
        let before = self.folders.len();
        for folder in wanted {
            let watched = self.folders.contains(&folder);
            // A folder that is not there yet is tried again after the next poll.
            if !watched
                && notify::Watcher::watch(watcher, &folder, notify::RecursiveMode::NonRecursive)
                    .is_ok()
            {
                self.folders.push(folder);
            }
        }
        self.folders.len() > before
    }
}

impl Writing {
    fn note(&self, event: &Event) {
        let begins = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
        if !begins && !changes_something(event.kind) || !cfg!(target_os = "linux") {
            return;
        }
        let mut writing = self.lock();
        for path in &event.paths {
            let path = path.canonicalize().unwrap_or_else(|_| path.clone());
            match begins {
                true => writing.insert(path, Instant::now()),
                false => writing.remove(&path),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Instant>> {
        // Nothing under this lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looking is no change: the reloader's own reading would keep it awake for ever. Nor is a write where its end is told,
/// too: what is there before may be a part of the file.
fn changes_something(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(mode)) => mode == AccessMode::Write,
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_)) => !cfg!(target_os = "linux"),
        _ => true,
    }
}

/// The folder of `file` as it is named, and of what it leads to through links.
fn folders(file: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| {
        path.parent().map(|folder| {
            if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() }
        })
    };
    let named = parent(file);
    let real = file.canonicalize().ok().and_then(|path| parent(&path));
    named.into_iter().chain(real).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use notify::EventKind;
    use notify::event::{
        AccessKind, AccessMode, CreateKind, DataChange, MetadataKind, ModifyKind, RemoveKind,
        RenameMode,
    };
    use tokio::sync::mpsc;
    use tokio::time::timeout;
    use uuid::Uuid;

    use super::{Watch, changes_something};

    #[test]
    fn reading_is_no_change_nor_a_write_that_is_under_way_and_everything_else_is() {
        for kind in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read)] {
            assert!(!changes_something(EventKind::Access(kind)), "{kind:?}");
        }
        let writes = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        assert_eq!(changes_something(writes), !cfg!(target_os = "linux"));
        for kind in [
            EventKind::Any,
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Permissions)),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Remove(RemoveKind::File),
        ] {
            assert!(changes_something(kind), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_folder_is_new_once_and_what_happens_in_it_is_noticed() {
        let folder = std::env::temp_dir().join(Uuid::new_v4().to_string());
        let (file, other) = (folder.join("file"), folder.join("other"));
        let (noticed, mut notices) = mpsc::channel(1);
        let mut watch = Watch::new(noticed);
        assert!(!watch.folders_of([&file]), "there is no such folder yet");
        fs::create_dir(&folder).expect("a folder");
        assert!(watch.folders_of([&file]), "there is now");
        assert!(!watch.folders_of([&file]), "it is watched already");

        fs::write(&other, "new").and_then(|()| fs::rename(&other, &file)).expect("a file replaced");
        let noticed = timeout(Duration::from_secs(60), notices.recv()).await;
        fs::remove_dir_all(&folder).expect("it is still there");
        assert_eq!(noticed, Ok(Some(())), "no notice of a file replaced");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_file_is_being_written_from_its_first_write_until_it_is_closed() {
        let folder = std::env::temp_dir().join(Uuid::new_v4().to_string());
        fs::create_dir(&folder).expect("a folder");
        let (file, other) = (folder.join("file"), folder.join("other"));
        fs::write(&file, "whole").expect("a file");
        fs::write(&other, "whole").expect("a file");
        let (noticed, mut notices) = mpsc::channel(1);
        let mut watch = Watch::new(noticed);
        watch.folders_of([&file]);
        let states = async |wanted: bool| {
            while watch.are_written([&file]) != wanted {
                tokio::task::yield_now().await;
            }
        };

        let half = fs::File::create(&file).expect("the file");
        timeout(Duration::from_secs(60), states(true)).await.expect("it is being written");
        assert!(!watch.are_written([&other]));
        assert!(notices.try_recv().is_err(), "a notice of a file that is not whole");
        drop(half);
        timeout(Duration::from_secs(60), states(false)).await.expect("it is closed");
        assert_eq!(notices.recv().await, Some(()));
        fs::remove_dir_all(&folder).expect("it is still there");
    }
}
