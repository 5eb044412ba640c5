//! How many looks at once are one app's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// The shares of the apps that look at media now, each of so many looks at once.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    each: usize,
    of: Arc<Mutex<BTreeMap<String, Weak<Semaphore>>>>,
}

impl Shares {
    pub(crate) fn new(each: usize) -> Self {
        Self { each, of: Arc::default() }
    }

    /// That of `app`. It is there for as long as anybody has it.
    pub(crate) fn of(&self, app: &str) -> Arc<Semaphore> {
        let mut shares = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(app).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.each));
        shares.insert(app.to_owned(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Shares;

    #[test]
    fn an_app_has_one_share_and_none_is_kept_that_nobody_has() {
        let shares = Shares::new(2);
        let of_a = shares.of("a");
        assert!(Arc::ptr_eq(&of_a, &shares.of("a")));
        assert!(!Arc::ptr_eq(&of_a, &shares.of("b")));
        drop(of_a);
        let _of_c = shares.of("c");
        assert_eq!(shares.of.lock().expect("the map").len(), 1);
    }
}
