use super::*;

#[tokio::test]
async fn a_panic_in_a_task_is_raised_by_stop() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let (started, wait) = oneshot::channel();
    let job = async move {
        let _ = started.send(());
        panic!("a fault of the simulator");
    };
    sim.shared.spawn(job).await;
    let _ = wait.await;

    let stopped = tokio::spawn(sim.stop()).await;

    let panic = stopped.err().and_then(|err| err.try_into_panic().ok());
    let text = panic.as_ref().and_then(|panic| panic.downcast_ref::<&str>());
    assert_eq!(text, Some(&"a fault of the simulator"));
}

#[tokio::test]
async fn a_dropped_simulator_gives_its_port_back() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let address = sim.address();
    drop(sim);
    let free = async {
        while server::listen(address).is_err() {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(Duration::from_secs(20), free).await.is_ok(), "{address} is still taken");
}
