//! Looks at media on a web of one server, whose names lead where a test says.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test, and says where")]

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use media_probe::testing::{PUBLIC, Page, Web};
use media_probe::{Names, NamesFuture, Prober, ProberOptions};
use message::MediaUrl;
use message::facts::Probed;
use tokio::sync::Semaphore;

const URL: &str = "https://cdn.example.com/a.jpg";
/// Longer than any look here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn media(url: &str) -> MediaUrl {
    MediaUrl::parse(url, "").unwrap().0
}

fn found(content_type: &str, bytes: u64) -> Probed {
    Probed::Found { content_type: content_type.into(), bytes: Some(bytes) }
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn look(web: &Web, url: &str) -> Probed {
    look_by(web, vec![vec![PUBLIC]], url).await
}

/// With names that have `answers`, one lookup after the other.
async fn look_by(web: &Web, answers: Vec<Vec<IpAddr>>, url: &str) -> Probed {
    web.prober(answers, PATIENCE).look_at("app", &[media(url)]).await.remove(0)
}

#[tokio::test]
async fn a_medium_is_found_by_its_head_and_by_one_byte_where_there_is_no_head() {
    let head = Page::medium(URL, "image/jpeg", 900);
    let get = Page::medium("http://cdn.example.com/b.gif", "image/gif", 1)
        .header("content-range", "bytes 0-0/1900000")
        .without_head();
    let web = Web::of(vec![head, get]).await;
    assert_eq!(look(&web, URL).await, found("image/jpeg", 900));
    assert_eq!(look(&web, "http://cdn.example.com/b.gif").await, found("image/gif", 1_900_000));
    let seen = web.seen();
    assert_eq!(
        seen,
        [
            "HEAD https://cdn.example.com/a.jpg",
            "HEAD http://cdn.example.com/b.gif",
            "GET http://cdn.example.com/b.gif",
        ]
    );
}

#[tokio::test]
async fn nothing_is_connected_to_where_any_address_is_private() {
    let web = Web::of(vec![Page::medium(URL, "image/jpeg", 900)]).await;
    for private in [
        "10.0.0.5",
        "127.0.0.1",
        "::1",
        "::ffff:10.0.0.5",
        "fe80::1",
        "64:ff9b::a00:5",
        "2002:a00:5::",
    ] {
        let answers = vec![addresses(&["93.184.216.34", private])];
        let probed = look_by(&web, answers, URL).await;
        assert_eq!(probed, Probed::ResolvesPrivate, "{private}");
    }
    assert_eq!(web.seen(), [""; 0]);
}

#[tokio::test]
async fn a_private_place_is_one_however_it_is_written() {
    let web = Web::of(Vec::new()).await;
    for place in ["127.0.0.1", "0x7f000001", "127.1", "[::1]", "localhost.", "printer.local"] {
        let probed = look(&web, &format!("http://{place}/x.png")).await;
        assert_eq!(probed, Probed::ResolvesPrivate, "{place}");
    }
    assert_eq!(web.seen(), [""; 0]);
}

#[tokio::test]
async fn an_answer_to_head_that_tells_of_no_bytes_is_not_taken_at_its_word() {
    let empty = Page::medium("https://cdn.example.com/empty.jpg", "image/jpeg", 0);
    let shy =
        Page::medium(URL, "image/jpeg", 900).header("content-range", "bytes 0-0/900").empty_head();
    let web = Web::of(vec![shy, empty]).await;
    assert_eq!(look(&web, URL).await, found("image/jpeg", 900));
    assert_eq!(look(&web, "https://cdn.example.com/empty.jpg").await, found("image/jpeg", 0));
}

#[tokio::test]
async fn an_app_whose_media_never_answer_keeps_room_for_others() {
    let silent = Page::new("https://cdn.example.com/silent", 200).silent();
    let web = Web::of(vec![Page::medium(URL, "image/jpeg", 900), silent]).await;
    let prober = web.prober(vec![vec![PUBLIC]], PATIENCE);
    let stuck = tokio::spawn({
        let (prober, urls) = (prober.clone(), vec![media("https://cdn.example.com/silent"); 100]);
        async move { prober.look_at("stuck", &urls).await }
    });
    while web.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    assert_eq!(prober.look_at("app", &[media(URL)]).await, [found("image/jpeg", 900)]);
    assert!(began.elapsed() < PATIENCE / 2, "it had to wait for {:?}", began.elapsed());
    let of_stuck = web.seen().iter().filter(|seen| seen.ends_with("/silent")).count();
    assert!(of_stuck <= 16, "{of_stuck} at once");
    stuck.abort();
}

/// Names of which those that begin with `stuck` are answered once the test says so, and then as all others: by nothing.
#[derive(Debug)]
struct Stuck {
    asked: Mutex<Vec<String>>,
    answers: Semaphore,
}

impl Names for Stuck {
    fn addresses<'a>(&'a self, name: &'a str) -> NamesFuture<'a> {
        self.asked.lock().unwrap().push(name.to_owned());
        Box::pin(async move {
            if name.starts_with("stuck") {
                self.answers.acquire().await.unwrap().forget();
            }
            Ok(Vec::new())
        })
    }
}

#[tokio::test]
async fn a_look_that_is_over_keeps_its_place_until_the_system_has_looked_its_name_up() {
    let names = Arc::new(Stuck { asked: Mutex::default(), answers: Semaphore::new(0) });
    let time = Duration::from_millis(50);
    let options = ProberOptions { time, names: names.clone(), extra_roots: Vec::new() };
    let prober = Prober::new(options).unwrap();
    let asked = |name: &str| names.asked.lock().unwrap().iter().filter(|it| *it == name).count();
    let stuck = vec![media("https://stuck.example.com/a.jpg"); 40];
    for _ in 0..3 {
        assert_eq!(prober.look_at("stuck", &stuck).await, vec![Probed::Unreachable; 40]);
    }
    assert_eq!(asked("stuck.example.com"), 16, "no more at once than an app may have");
    prober.look_at("stuck", &[media("https://next.example.com/a.jpg")]).await;
    assert_eq!(asked("next.example.com"), 0, "it has no place");
    prober.look_at("app", &[media("https://other.example.com/a.jpg")]).await;
    assert_eq!(asked("other.example.com"), 1, "another app has");

    names.answers.add_permits(16);
    while asked("next.example.com") == 0 {
        prober.look_at("stuck", &[media("https://next.example.com/a.jpg")]).await;
    }
}

#[tokio::test]
async fn a_name_that_answers_otherwise_the_second_time_is_caught_before_the_connection() {
    let web = Web::of(vec![Page::medium(URL, "image/jpeg", 900)]).await;
    let answers = vec![vec![PUBLIC], addresses(&["10.0.0.5"])];
    let probed = look_by(&web, answers, URL).await;
    assert_eq!((probed, web.seen()), (Probed::ResolvesPrivate, vec![]));
}

#[tokio::test]
async fn each_hop_of_a_redirect_is_judged_like_the_first() {
    let at = |path: &str| format!("https://cdn.example.com/{path}");
    let web = Web::of(vec![
        Page::redirect(&at("relative"), "/a.jpg"),
        Page::redirect(&at("away"), "http://other.example.net/a.jpg"),
        Page::medium("http://other.example.net/a.jpg", "image/png", 7),
        Page::medium(URL, "image/jpeg", 900),
        Page::redirect(&at("metadata"), "http://169.254.169.254/latest"),
        Page::redirect(&at("spelt"), "http://2852039166/"),
        Page::redirect(&at("local"), "https://localhost/a.jpg"),
        Page::redirect(&at("ipv6"), "http://[::ffff:127.0.0.1]/"),
        Page::redirect(&at("file"), "file:///etc/passwd"),
        Page::redirect(&at("user"), "https://user@cdn.example.com/a.jpg"),
        Page::new(&at("nowhere"), 302),
    ])
    .await;
    for (path, expected) in [
        ("relative", found("image/jpeg", 900)),
        ("away", found("image/png", 7)),
        ("metadata", Probed::RedirectsPrivate),
        ("spelt", Probed::RedirectsPrivate),
        ("local", Probed::RedirectsPrivate),
        ("ipv6", Probed::RedirectsPrivate),
        ("file", Probed::Unreachable),
        ("user", Probed::Unreachable),
        ("nowhere", Probed::Unreachable),
    ] {
        assert_eq!(look(&web, &at(path)).await, expected, "{path}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_name_with_a_private_address_leads_nowhere() {
    let start = "https://cdn.example.com/r.jpg";
    let web = Web::of(vec![Page::redirect(start, "https://inner.example.net/a.jpg")]).await;
    // Two lookups for the first hop, and the third is of the second.
    let answers = vec![vec![PUBLIC], vec![PUBLIC], addresses(&["192.168.0.7"])];
    let probed = look_by(&web, answers, start).await;
    assert_eq!(probed, Probed::RedirectsPrivate);
    assert_eq!(web.seen(), [format!("HEAD {start}")]);
}

#[tokio::test]
async fn three_redirects_are_followed_and_no_more() {
    let at = |hop: u32| format!("https://cdn.example.com/{hop}");
    let hops = (0..4).map(|hop| Page::redirect(&at(hop), &at(hop + 1)));
    let web = Web::of(hops.chain([Page::medium(&at(4), "image/gif", 5)]).collect()).await;
    assert_eq!(look(&web, &at(1)).await, found("image/gif", 5));
    assert_eq!(look(&web, &at(0)).await, Probed::TooManyRedirects);
}

#[tokio::test]
async fn what_answers_with_no_medium_or_not_at_all_is_told_apart() {
    let silent = Page::new("https://cdn.example.com/silent", 200).silent();
    let web = Web::of(vec![Page::new("https://cdn.example.com/gone", 410), silent]).await;
    assert_eq!(look(&web, "https://cdn.example.com/gone").await, Probed::Refused(410));
    let prober = web.prober(vec![vec![PUBLIC]], Duration::from_millis(200));
    let urls = ["https://cdn.example.com/silent", URL].map(media);
    assert_eq!(prober.look_at("app", &urls).await, [Probed::Unreachable, Probed::Refused(404)]);
    let nobody = look_by(&web, vec![vec![]], URL).await;
    assert_eq!(nobody, Probed::Unreachable, "a name without addresses");
}

#[tokio::test]
async fn nothing_is_connected_to_but_names_on_the_ports_of_the_web() {
    let at = |place: &str| format!("http://{place}/a.jpg");
    let allowed = ["cdn.example.com"];
    let elsewhere = ["cdn.example.com:6379", "cdn.example.com:22", "9.9.9.9", "9.9.9.9:6379"];
    let mut pages: Vec<Page> = allowed
        .iter()
        .chain(&elsewhere)
        .map(|place| Page::medium(&at(place), "image/gif", 1))
        .collect();
    pages.push(Page::redirect("http://cdn.example.com/on", &at(elsewhere[0])));
    let web = Web::of(pages).await;

    for place in allowed {
        assert_eq!(look(&web, &at(place)).await, found("image/gif", 1), "{place}");
    }
    for place in elsewhere {
        assert_eq!(look(&web, &at(place)).await, Probed::Unreachable, "{place}");
    }
    assert_eq!(look(&web, "http://cdn.example.com/on").await, Probed::Unreachable);
    assert_eq!(web.seen().len(), allowed.len() + 1, "{:?}", web.seen());
}
