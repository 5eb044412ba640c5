//! A key that is free again here and of which replicas have not been told.

use message::MessageId;
use store_redis::SharedKeys;

use super::super::super::Gateway;

impl Gateway {
    /// Tells the others that a key is free again whose message ended here unsent; `false` where it did not, or they
    /// cannot be told now.
    pub(super) async fn free_elsewhere(
        &self,
        keys: &SharedKeys,
        (app, key): (&str, &str),
        message: Option<&MessageId>,
    ) -> bool {
        let (Some(message), Ok(Some(freed))) = (message, self.store.freed_key(app, key).await)
        else {
            return false;
        };
        freed.message.as_ref() == Some(message)
            && keys.free(app, key, message).await.is_ok()
            && self.store.told_of_end(freed).await.is_ok()
    }
}
