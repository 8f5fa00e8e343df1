//! Which known word was probably meant by an unknown one.

/// The known word that `wrong` was probably meant to be: a few slips of the finger away, relative to its length.
pub(crate) fn closest<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let slips_max = 1 + wrong.chars().count() / 4;
    known
        .into_iter()
        .map(|word| (distance(&wrong.to_lowercase(), &word.to_lowercase()), word))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, word)| word)
}

/// What to tell a person about an unknown word: the likely one, or all known ones.
pub(crate) fn suggestion(wrong: &str, what: &str, known: &[&str]) -> String {
    match closest(wrong, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None if known.is_empty() => format!("there are no {what}"),
        None => format!("{what}: {}", known.join(", ")),
    }
}

/// How many letters must be changed, added, dropped or swapped with their neighbour to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_recognised() {
        let known = ["gateway", "services", "topics", "roles", "data"];
        for (wrong, meant) in [
            ("gatway", Some("gateway")),
            ("Services", Some("services")),
            ("service", Some("services")),
            ("rolse", Some("roles")),
            ("dat", Some("data")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(closest(wrong, known), meant, "{wrong}");
        }
    }
}
