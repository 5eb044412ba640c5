//! SPDX's licence expressions: licences with `WITH` their exceptions, `AND`, `OR`, brackets.

/// Whether `expression` can be met with `allowed` alone; none where it is no expression.
pub(super) fn allows(expression: &str, allowed: &[String]) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let met = either(&mut rest, allowed)?;
    rest.is_empty().then_some(met)
}

fn either(words: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let mut met = both(words, allowed)?;
    while let Some(("OR", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        met |= both(words, allowed)?;
    }
    Some(met)
}

fn both(words: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let mut met = one(words, allowed)?;
    while let Some(("AND", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        met &= one(words, allowed)?;
    }
    Some(met)
}

fn one(words: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let (word, rest) = words.split_first()?;
    *words = rest;
    match *word {
        "(" => {
            let met = either(words, allowed)?;
            let (close, rest) = words.split_first()?;
            *words = rest;
            (*close == ")").then_some(met)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence => {
            let full = match words {
                ["WITH", exception, rest @ ..] => {
                    let full = format!("{licence} WITH {exception}");
                    *words = rest;
                    full
                }
                _ => licence.to_owned(),
            };
            Some(allowed.contains(&full))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::allows;

    #[test]
    fn an_expression_is_met_by_what_is_allowed_or_not_at_all() {
        let allowed = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for (expression, met) in [
            ("MIT", Some(true)),
            ("GPL-3.0-only", Some(false)),
            ("GPL-3.0-only OR MIT", Some(true)),
            ("GPL-3.0-only AND MIT", Some(false)),
            ("MIT AND (GPL-3.0-only OR Zlib)", Some(true)),
            ("MIT OR Zlib AND GPL-3.0-only", Some(true)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("Apache-2.0", Some(false)),
            ("(MIT", None),
            ("MIT Zlib", None),
            ("MIT OR", None),
            ("", None),
        ] {
            assert_eq!(allows(expression, &allowed), met, "{expression}");
        }
    }
}
