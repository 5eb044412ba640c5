//! Messages that flow while something else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::door::{Door, Reply};
use crate::stage::Stage;
use crate::{OTHER_APP, PATIENCE, Result};

/// How many senders are at it at once.
const SENDERS: usize = 2;

/// A stream of messages to Great Britain, as fast as they are answered.
pub(crate) struct Flow {
    stop: Arc<AtomicBool>,
    answers: watch::Receiver<Vec<Reply>>,
    senders: JoinSet<Result<()>>,
}

impl Flow {
    pub(crate) fn start(stage: &Stage) -> Self {
        let (sender, answers) = watch::channel(Vec::new());
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            senders.spawn(flow(
                stage.door(),
                sender.clone(),
                Arc::clone(&stop),
                Arc::clone(&count),
            ));
        }
        Self { stop, answers, senders }
    }

    /// Waits until there are `count` answers that are `such`.
    pub(crate) async fn wait_for(&self, count: usize, such: impl Fn(&Reply) -> bool) -> Result<()> {
        let mut answers = self.answers.clone();
        let enough =
            answers.wait_for(|all| all.iter().filter(|answer| such(answer)).count() >= count);
        match timeout(PATIENCE, enough).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(format!(
                "the answers did not come; the last was {:?}",
                self.answers.borrow().last()
            )
            .into()),
        }
    }

    /// Ends the stream and returns every answer.
    pub(crate) async fn stop(mut self) -> Result<Vec<Reply>> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.senders.join_next().await {
            ended??;
        }
        Ok(self.answers.borrow().clone())
    }
}

async fn flow(
    door: Door,
    answers: watch::Sender<Vec<Reply>>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let text = json!({ "to": "+447400123456", "text": format!("Invoice {number} is ready.") });
        let reply = door.send(OTHER_APP, &text, None).await?;
        answers.send_modify(|all| all.push(reply));
    }
    Ok(())
}
