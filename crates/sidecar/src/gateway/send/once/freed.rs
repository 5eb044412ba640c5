//! A key that is free again here and of which replicas have not been told.

use message::MessageId;
use store_redis::SharedKeys;

use super::super::super::Gateway;

impl Gateway {
    /// Tells the others that a key is free again whose message ended here unsent, and is this one where that is known;
    /// `false` where it did not, or they cannot be told now. Said once, so that nobody asks for ever.
    pub(super) async fn free_elsewhere(
        &self,
        keys: &SharedKeys,
        (app, key): (&str, &str),
        message: Option<&MessageId>,
    ) -> bool {
        let Ok(Some(freed)) = self.store.freed_key(app, key).await else { return false };
        let Some(own) = freed.message.clone() else { return false };
        message.is_none_or(|message| *message == own)
            // Of another message's answer this changes nothing.
            && keys.free(app, key, &own).await.is_ok()
            && self.store.told_of_end(freed).await.is_ok()
    }
}
