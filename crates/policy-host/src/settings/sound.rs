//! What is sound of settings that do not fit their schema, and what they might have been: with these the policy can be
//! asked what else is wrong.

use serde_json::Value;

use super::Found;
use crate::error::{LoadFault, Problem};

/// Most values that are tried in the place of a faulty one.
const VALUES: usize = 8;
/// Most settings that are tried at all, and most times that what was mended is mended again: a member that is missing may
/// be a table, whose own members are then.
const TRIED: usize = 32;
const ROUNDS: usize = 6;

/// The names on the way to a place.
type Place = Vec<String>;

/// Settings without what is wrong with them, or with something else in its place.
#[derive(Clone)]
pub(crate) struct Sound {
    pub(crate) settings: Value,
    /// The entries of lists that were left out, each time as the settings had them then.
    left_out: Vec<Vec<Place>>,
    /// Everything that is otherwise, as the whole has it.
    changed: Vec<Place>,
    /// Whether entries are gone that the policy may compare with others, for what is wrong in them only.
    lacks_entries: bool,
}

/// What a policy has against settings that were mended, at its places in the whole.
pub(crate) struct Heard {
    changed: Vec<Place>,
    lacks_entries: bool,
    problems: Vec<(Place, Problem)>,
}

/// What of `settings`, with which `found` is wrong, the policy can be asked about: once without any of it, and, as far
/// as it is known what would fit, with that in its place; the whole where nothing is. `look` holds settings against the
/// schema.
///
/// # Errors
///
/// As `look`.
pub(crate) fn attempts(
    settings: &Value,
    found: Vec<Found>,
    look: impl Fn(&Value) -> Result<Vec<Found>, LoadFault>,
) -> Result<Vec<Sound>, LoadFault> {
    if found.is_empty() {
        return Ok(vec![Sound::whole(settings.clone())]);
    }
    let mut fitting: Vec<Sound> = Sound::without(settings, &found).into_iter().collect();
    let whole = Sound::whole(settings.clone());
    let mut faulty = vec![(whole, found)];
    for _ in 0..ROUNDS {
        let mended: Vec<Sound> =
            faulty.iter().flat_map(|(sound, found)| sound.mended(found)).take(TRIED).collect();
        faulty.clear();
        for sound in mended {
            match look(&sound.settings)? {
                found if found.is_empty() => fitting.push(sound),
                found => faulty.push((sound, found)),
            }
        }
    }
    fitting.truncate(TRIED);
    Ok(fitting)
}

/// What is wrong whatever takes the place of what does not fit: each of those says so that could. Where entries are gone,
/// nothing follows from what is not said.
pub(crate) fn certain(heard: &[Heard]) -> Vec<Problem> {
    let mut certain: Vec<Problem> = Vec::new();
    for (place, problem) in heard.iter().flat_map(|one| &one.problems) {
        let is_told = certain.iter().any(|told| told.pointer == problem.pointer);
        let agrees = |one: &Heard| one.lacks_entries || one.is_silent_on(place) || one.has(place);
        if !is_told && heard.iter().all(agrees) {
            certain.push(problem.clone());
        }
    }
    certain
}

impl Sound {
    fn whole(settings: Value) -> Self {
        Self { settings, left_out: Vec::new(), changed: Vec::new(), lacks_entries: false }
    }

    /// `settings` without the entries of lists, and the members, in which something was `found`. None where that leaves
    /// nothing.
    fn without(settings: &Value, found: &[Found]) -> Option<Self> {
        let places: Vec<Place> =
            found.iter().map(|each| faulty(settings, &each.problem.pointer)).collect();
        if places.iter().any(Vec::is_empty) {
            return None;
        }
        let (mut settings, changed) = (settings.clone(), places.clone());
        let left_out = vec![leave_out(&mut settings, places)];
        Some(Self { settings, left_out, changed, lacks_entries: true })
    }

    /// With values that fit in the place of what was `found`, and without what is too much; several, where there is a
    /// choice, and one with as little of it as may be. None where all of it is wrong.
    fn mended(&self, found: &[Found]) -> Vec<Self> {
        let most = found.iter().map(|each| each.instead.len()).max().unwrap_or(0).clamp(1, VALUES);
        let choices = (0..most).map(Some).chain([None]);
        choices.filter_map(|nth| self.mended_by(found, nth)).collect()
    }

    /// By the `nth` value of each choice, or by none where something stands there.
    fn mended_by(&self, found: &[Found], nth: Option<usize>) -> Option<Self> {
        let (mut mended, mut entries) = (self.clone(), Vec::new());
        for Found { place, instead, .. } in found {
            let is_missing = self.settings.pointer(place).is_none();
            let place = segments(place);
            let (last, above) = place.split_last()?;
            mended.changed.push(self.in_the_whole(&place));
            let value = match nth {
                None if !is_missing => None,
                nth => instead.get(nth.unwrap_or(0) % instead.len().max(1)),
            };
            // What lies in something that has gone already has gone with it.
            match (mended.settings.pointer_mut(&pointer(above)), value) {
                (Some(Value::Object(table)), Some(value)) => {
                    table.insert(last.clone(), value.clone());
                }
                (Some(Value::Object(table)), None) => {
                    table.remove(last);
                }
                (Some(Value::Array(list)), Some(value)) => {
                    let entry = last.parse::<usize>().ok().and_then(|index| list.get_mut(index));
                    entry.into_iter().for_each(|entry| *entry = value.clone());
                }
                (Some(Value::Array(_)), None) => entries.push(place),
                _ => {}
            }
        }
        let left_out = leave_out(&mut mended.settings, entries);
        mended.left_out.push(left_out);
        Some(mended)
    }

    /// Those of `problems`, which a policy has with these settings, that are no consequence of what is otherwise.
    pub(crate) fn heard(self, problems: Vec<Problem>) -> Heard {
        let placed = |problem: Problem| {
            let place = self.in_the_whole(&segments(&problem.pointer));
            (place.clone(), Problem { pointer: pointer(&place), ..problem })
        };
        let problems: Vec<_> = problems.into_iter().map(placed).collect();
        let Self { changed, lacks_entries, .. } = self;
        let mut heard = Heard { changed, lacks_entries, problems: Vec::new() };
        let own = problems.into_iter().filter(|(place, _)| !heard.is_silent_on(place)).collect();
        heard.problems = own;
        heard
    }

    /// Where in the whole `place` is.
    fn in_the_whole(&self, place: &[String]) -> Place {
        let outwards = self.left_out.iter().rev();
        outwards.fold(place.to_vec(), |place, left_out| before(&place, left_out))
    }
}

impl Heard {
    /// Whether nothing said about `place` would mean anything: something is otherwise there, in it, or around it.
    fn is_silent_on(&self, place: &Place) -> bool {
        self.changed.iter().any(|changed| changed.starts_with(place) || place.starts_with(changed))
    }

    fn has(&self, place: &Place) -> bool {
        self.problems.iter().any(|(own, _)| own == place)
    }
}

/// Where `place` was before the entries of lists in `left_out` went.
fn before(place: &[String], left_out: &[Place]) -> Place {
    let mut whole: Place = Vec::new();
    for segment in place {
        let Ok(mut index) = segment.parse::<usize>() else {
            whole.push(segment.clone());
            continue;
        };
        let mut gone: Vec<usize> = left_out
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

/// Takes `places` out of `settings`, each once.
fn leave_out(settings: &mut Value, mut places: Vec<Place>) -> Vec<Place> {
    // From the back, so that those before stay where they are; what lies in one that goes does so too.
    places.sort_by(|one, other| other.iter().map(|s| order(s)).cmp(one.iter().map(|s| order(s))));
    places.dedup();
    for place in &places {
        remove(settings, place);
    }
    places
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
mod tests;
