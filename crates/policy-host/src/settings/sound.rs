//! What is sound of settings that do not fit their schema, and what they might have been: with these the policy can be
//! asked what else is wrong.

use serde_json::Value;

use super::Found;
use crate::error::Problem;

/// Most values that are tried in the place of a faulty one.
const TRIED: usize = 8;

/// `settings` with values that fit in the place of those that do not, and without members that are too many; several,
/// where there is a choice. None where it is not known what would fit.
pub(crate) fn mended(settings: &Value, found: &[Found]) -> Vec<Value> {
    let most = found.iter().map(|each| each.instead.len()).max().unwrap_or(0).clamp(1, TRIED);
    let one = |nth: usize| {
        let mut mended = settings.clone();
        for Found { place, instead, .. } in found {
            let place = segments(place);
            let (last, above) = place.split_last()?;
            match (mended.pointer_mut(&pointer(above))?, instead.get(nth % instead.len().max(1))) {
                (Value::Object(table), Some(value)) => {
                    drop(table.insert(last.clone(), value.clone()))
                }
                (Value::Object(table), None) => drop(table.remove(last)),
                (Value::Array(list), Some(value)) => {
                    *list.get_mut(last.parse::<usize>().ok()?)? = value.clone();
                }
                _ => return None,
            }
        }
        Some(mended)
    };
    (0..most).filter_map(one).collect()
}

/// Those of `problems` that every one of several mended settings has and that are no consequence of the mending.
pub(crate) fn common(problems: Vec<Vec<Problem>>, found: &[Found]) -> Vec<Problem> {
    let mut all = problems.into_iter();
    let Some(mut common) = all.next() else { return Vec::new() };
    for other in all {
        common.retain(|each| other.iter().any(|other| other.pointer == each.pointer));
    }
    let follows = |problem: &Problem| {
        let place = segments(&problem.pointer);
        found.iter().any(|each| {
            let faulty = segments(&each.place);
            faulty.starts_with(&place) || place.starts_with(&faulty)
        })
    };
    common.retain(|problem| !follows(problem));
    common
}

/// Settings without what is wrong with them.
pub(crate) struct Sound {
    pub(crate) settings: Value,
    /// The places that were left out, as the whole has them.
    left_out: Vec<Vec<String>>,
}

impl Sound {
    /// What is sound of `settings`: without the entries of lists, and the members, that have `problems`. None where
    /// these leave nothing.
    pub(crate) fn of(settings: &Value, problems: &[Problem]) -> Option<Self> {
        let mut left_out: Vec<_> =
            problems.iter().map(|problem| faulty(settings, &problem.pointer)).collect();
        if left_out.iter().any(Vec::is_empty) {
            return None;
        }
        // From the back, so that those before stay where they are; what lies in one that goes does so too.
        left_out
            .sort_by(|one, other| other.iter().map(|s| order(s)).cmp(one.iter().map(|s| order(s))));
        left_out.dedup();
        let mut sound = settings.clone();
        for place in &left_out {
            remove(&mut sound, place);
        }
        Some(Self { settings: sound, left_out })
    }

    /// Those of `problems` that are no consequence of what was left out, at their places in the whole.
    pub(crate) fn in_the_whole(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let placed = |problem: Problem| {
            let place = self.whole(&problem.pointer);
            let follows = self.left_out.iter().any(|out| out.starts_with(&place));
            (!follows).then(|| Problem { pointer: pointer(&place), ..problem })
        };
        problems.into_iter().filter_map(placed).collect()
    }

    /// Where in the whole the place at `pointer` is.
    fn whole(&self, pointer: &str) -> Vec<String> {
        let mut whole: Vec<String> = Vec::new();
        for segment in segments(pointer) {
            let Ok(mut index) = segment.parse::<usize>() else {
                whole.push(segment);
                continue;
            };
            let mut gone: Vec<usize> = self
                .left_out
                .iter()
                .filter(|out| out.len() == whole.len() + 1 && out.starts_with(&whole))
                .filter_map(|out| out.last()?.parse().ok())
                .collect();
            gone.sort_unstable();
            for gone in gone {
                index += usize::from(gone <= index);
            }
            whole.push(index.to_string());
        }
        whole
    }
}

/// What has to go for the problem at `pointer`: the innermost entry of a list that it lies in, else the member itself.
fn faulty(settings: &Value, pointer: &str) -> Vec<String> {
    let segments = segments(pointer);
    let (mut at, mut entry) = (settings, None);
    for (depth, segment) in segments.iter().enumerate() {
        let below = match at {
            Value::Array(list) => {
                entry = Some(depth + 1);
                segment.parse().ok().and_then(|index: usize| list.get(index))
            }
            Value::Object(table) => table.get(segment),
            _ => None,
        };
        let Some(below) = below else { break };
        at = below;
    }
    let depth = entry.unwrap_or(segments.len());
    segments.into_iter().take(depth).collect()
}

fn remove(settings: &mut Value, place: &[String]) {
    let Some((last, above)) = place.split_last() else { return };
    match settings.pointer_mut(&pointer(above)) {
        Some(Value::Array(list)) => {
            if let Some(index) = last.parse().ok().filter(|index| *index < list.len()) {
                list.remove(index);
            }
        }
        Some(Value::Object(table)) => drop(table.remove(last)),
        _ => {}
    }
}

/// Numbers by their value.
fn order(segment: &str) -> (usize, &str) {
    (segment.parse().unwrap_or(0), segment)
}

/// The names in a JSON pointer (RFC 6901).
fn segments(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
}

fn pointer(segments: &[String]) -> String {
    segments.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Problem, Sound};

    fn at(pointers: &[&str]) -> Vec<Problem> {
        let problem =
            |pointer: &&str| Problem { pointer: (*pointer).to_owned(), detail: "x".into() };
        pointers.iter().map(problem).collect()
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
        let sound = Sound::of(&settings, &at(&faults)).expect("something is sound");
        assert_eq!(
            sound.settings,
            json!({"salt": "s", "limits": [{"quota": 0}, {"apps": ["ok", "no"]}, {"quota": 0}]})
        );
        let more = ["/limits/0/quota", "/limits/1/apps/1", "/limits/2/quota", "/salt"];
        let places: Vec<_> =
            sound.in_the_whole(at(&more)).into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(places, ["/limits/1/quota", "/limits/2/apps/3", "/limits/4/quota", "/salt"]);
    }

    #[test]
    fn what_only_follows_from_what_was_left_out_is_not_told() {
        let settings = json!({"mode": 1, "limits": [{"scope": 1}]});
        let sound = Sound::of(&settings, &at(&["/mode", "/limits/0/scope"])).expect("a list");
        for follows in ["", "/mode", "/limits"] {
            assert_eq!(sound.in_the_whole(at(&[follows])), [], "{follows}");
        }
        assert!(Sound::of(&settings, &at(&["/mode", ""])).is_none(), "all of it is wrong");
    }
}
