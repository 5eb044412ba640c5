//! Lists of messages, page by page, as the SDKs walk them.

use serde_json::{Value, json};

use super::{ACCOUNT, post, sidecar};
use crate::harness::plivo;

#[tokio::test]
async fn a_list_can_be_walked_by_its_links_to_the_end_and_back() {
    let plivo = plivo().await;
    let sidecar = sidecar(&plivo).await;
    let mut sent = Vec::new();
    for nth in 0..5 {
        let body =
            json!({"src": "14150000001", "dst": "14150000002", "text": format!("number {nth}")});
        let answered = post(&sidecar, &body.to_string()).await.expect(202);
        sent.push(answered["message_uuid"][0].clone());
    }
    sent.reverse();

    let mut listed = Vec::new();
    let mut back = Vec::new();
    let mut link = Some(format!("{ACCOUNT}/?limit=2"));
    while let Some(path) = link {
        let page = sidecar.get(&path).await.expect(200);
        assert_eq!(page["meta"]["limit"], 2, "{page}");
        assert_eq!(page["meta"]["offset"], listed.len(), "{page}");
        assert_eq!(page["meta"]["total_count"], 5, "{page}");
        assert!(page["api_id"].is_string(), "{page}");
        let objects = page["objects"].as_array().expect("objects");
        listed.extend(objects.iter().map(|object| object["message_uuid"].clone()));
        back.push(page["meta"]["previous"].clone());
        link = page["meta"]["next"].as_str().map(str::to_owned);
    }

    assert_eq!(listed, sent);
    let link = |offset| Value::from(format!("{ACCOUNT}/?limit=2&offset={offset}"));
    assert_eq!(back, [Value::Null, link(0), link(2)]);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_a_list_does_not_serve_is_refused_by_name() {
    let plivo = plivo().await;
    let sidecar = sidecar(&plivo).await;
    for (query, name) in [
        ("limit=21", "`limit`"),
        ("limit=2&offset=x", "`offset`"),
        ("limit=2&limit=2", "`limit`"),
        ("message_state=sent", "`message_state`"),
        ("to=14150000002", "`to`"),
    ] {
        let answer = sidecar.get(&format!("{ACCOUNT}/?{query}")).await;
        let refused = answer.expect(400);
        let error = refused["error"].as_str().unwrap_or_default();
        assert!(error.starts_with(name) && error.contains("body.bad_filter"), "{answer}");
        assert!(refused["api_id"].is_string(), "{answer}");
    }
    sidecar.stop().await;
}
