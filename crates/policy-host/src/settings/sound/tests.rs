use serde_json::json;

use super::{Found, Heard, Problem, Sound, Value, certain};

fn at(pointers: &[&str]) -> Vec<Problem> {
    let problem = |pointer: &&str| Problem { pointer: (*pointer).to_owned(), detail: "x".into() };
    pointers.iter().map(problem).collect()
}

fn found(pointers: &[&str], instead: &[Value]) -> Vec<Found> {
    let found =
        |pointer: &&str| Found::new((*pointer).to_owned(), "does not fit".into(), instead.to_vec());
    pointers.iter().map(found).collect()
}

fn places(heard: &Heard) -> Vec<&str> {
    heard.problems.iter().map(|(_, problem)| problem.pointer.as_str()).collect()
}

#[test]
fn what_is_wrong_is_left_out_and_the_rest_is_found_again_in_its_place() {
    let settings = json!({
        "mode": 1, "a/b": 2, "salt": "s",
        "limits": [{"scope": 1}, {"quota": 0}, {"apps": [1, "ok", 2, "no"]}, {"scope": 2, "x": 1}, {"quota": 0}],
    });
    let faults = [
        "/mode",
        "/a~1b",
        "/limits/0/scope",
        "/limits/2/apps/0",
        "/limits/2/apps/2",
        "/limits/3/x",
        "/limits/3/scope",
    ];
    let sound = Sound::without(&settings, &found(&faults, &[])).expect("something is sound");
    assert_eq!(
        sound.settings,
        json!({"salt": "s", "limits": [{"quota": 0}, {"apps": ["ok", "no"]}, {"quota": 0}]})
    );
    let more = ["/limits/0/quota", "/limits/1/apps/1", "/limits/2/quota", "/salt"];
    let heard = sound.heard(at(&more));
    let wanted = ["/limits/1/quota", "/limits/2/apps/3", "/limits/4/quota", "/salt"];
    assert_eq!(places(&heard), wanted);
}

#[test]
fn what_only_follows_from_what_was_left_out_is_not_told() {
    let settings = json!({"mode": 1, "limits": [{"scope": 1}]});
    for follows in ["", "/mode", "/limits"] {
        let faults = found(&["/mode", "/limits/0/scope"], &[]);
        let sound = Sound::without(&settings, &faults).expect("a list");
        assert_eq!(places(&sound.heard(at(&[follows]))), [""; 0], "{follows}");
    }
    assert!(Sound::without(&settings, &found(&["/mode", ""], &[])).is_none(), "all is wrong");
}

#[test]
fn mended_twice_settings_are_still_told_by_their_places_in_the_whole() {
    let settings = json!({"lists": [["a"], ["b", "c", "d"]], "mode": 1});
    let whole = Sound::whole(settings);
    let once = whole.mended(&found(&["/lists/0"], &[])).remove(0);
    assert_eq!(once.settings, json!({"lists": [["b", "c", "d"]], "mode": 1}));
    let twice = once.mended(&found(&["/lists/0/0", "/mode"], &[]));
    let twice = &twice[0];
    assert_eq!(twice.settings, json!({"lists": [["c", "d"]]}));
    let heard = twice.clone().heard(at(&["/lists/0/1", "/mode", "/lists"]));
    assert_eq!(places(&heard), ["/lists/1/2"]);
}

#[test]
fn what_only_some_of_the_values_have_as_a_consequence_is_not_told() {
    let settings = json!({"kind": "?", "a": 1, "b": 2});
    let whole = Sound::whole(settings);
    let mended = whole.mended(&found(&["/kind"], &[json!("one"), json!("other")]));
    let kinds: Vec<_> = mended.iter().map(|each| each.settings.get("kind").cloned()).collect();
    assert_eq!(kinds, [Some(json!("one")), Some(json!("other")), None]);
    let said = [&["/a", "/b"][..], &["/b", "/kind"], &["/a", "/b"]];
    let heard = mended.into_iter().zip(said).map(|(each, said)| each.heard(at(said)));
    assert_eq!(certain(&heard.collect::<Vec<_>>()), at(&["/b"]));
}
