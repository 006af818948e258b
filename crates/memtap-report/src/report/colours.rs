//! Palette colours of programs, assigned by the same rule as in the dashboard
//! (web/src/model/colours.ts).

/// Number of colours in `style.css`, `--c0` to `--c9`.
pub(super) const SLOTS: usize = 10;

/// Assigns a slot to each name: the one that its hash selects, or the next free one.
pub(super) fn slots<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
    let mut taken = [false; SLOTS];
    let mut slot_of = |name: &str| {
        let preferred = hash(name) % SLOTS;
        let slot = (0..SLOTS).map(|step| (preferred + step) % SLOTS).find(|slot| !taken[*slot]);
        let slot = slot.unwrap_or(preferred);
        taken[slot] = true;
        slot
    };
    names.into_iter().map(&mut slot_of).collect()
}

/// Hash over UTF-16 code units, as in the dashboard's JavaScript.
fn hash(text: &str) -> usize {
    text.encode_utf16().fold(0, |value, unit| (value * 31 + usize::from(unit)) % 1_000_003)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_different_colours_while_slots_are_free() {
        let names: Vec<String> = (0..SLOTS).map(|n| format!("program{n}")).collect();
        let mut slots = slots(names.iter().map(String::as_str));
        slots.sort_unstable();
        assert_eq!(slots, (0..SLOTS).collect::<Vec<_>>());
    }

    #[test]
    fn the_hash_of_a_name_matches_the_dashboard() {
        // ((98 * 31 + 97) * 31 + 115) * 31 + 104 = 3016404 = 3 * 1000003 + 16395.
        assert_eq!(hash("bash"), 16_395);
    }
}
