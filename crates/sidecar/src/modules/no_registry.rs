//! Without the feature `oci`: every module is a file, and nothing has to be asked again.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{ModuleSource, Reloadable};

type Read = (ModuleSource, Result<Arc<[u8]>, String>);

/// What is known of modules in registries: there are none.
#[derive(Default)]
pub(crate) struct Pulled(());

impl Pulled {
    pub(super) async fn pull(_: &Reloadable) -> (Self, Vec<Read>) {
        (Self(()), Vec::new())
    }

    pub(crate) fn failed(&self) -> bool {
        false
    }

    pub(crate) fn refresh(&self) -> Option<Duration> {
        None
    }

    pub(crate) async fn moved(&self) -> bool {
        false
    }

    pub(crate) fn tags(&self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }

    pub(crate) async fn remember(&mut self) {}

    pub(crate) async fn prune(&self, _: &Self) {}
}
