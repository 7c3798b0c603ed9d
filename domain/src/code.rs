//! Redemption codes: what a shopper shows at the store.
//!
//! A code begins with the moment it was made and ends at random, so that no index of its own is needed to find its
//! claim: claim ids (UUIDv7) begin with the same moment. Does not know where randomness comes from.

use crate::time::UnixMillis;

/// Crockford's base 32: no I, L, O or U, so that codes can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of the moment: 35 bits of milliseconds, which come round every 397 days.
const MOMENT_CHARS: u32 = 7;
/// Random characters: 25 bits. Only a store's people can try a code, and only one made in the very millisecond counts.
const RANDOM_CHARS: u32 = 5;
const ROUND_MS: i64 = 1 << (5 * MOMENT_CHARS);
/// Rounds that are looked through: a code is found for at least two of them, more than two years.
const ROUNDS: i64 = 3;
/// How far a clock may have gone back since a code was made.
const SLACK_MS: i64 = 24 * 3_600_000;

/// The code of a claim made at `at`; of `random`, 25 bits are used.
pub fn compose(at: UnixMillis, random: u32) -> String {
    let mut code = String::with_capacity((MOMENT_CHARS + RANDOM_CHARS) as usize);
    let moment = at.0.rem_euclid(ROUND_MS) as u64;
    let mut push = |bits: u64, chars: u32| {
        for place in (0..chars).rev() {
            code.push(char::from(ALPHABET[(bits >> (5 * place)) as usize & 31]));
        }
    };
    push(moment, MOMENT_CHARS);
    push(u64::from(random), RANDOM_CHARS);
    code
}

/// The moments, latest first, at which `code` may have been made, as seen from `now`; none for what is no code.
pub fn moments(code: &str, now: UnixMillis) -> impl Iterator<Item = UnixMillis> + use<> {
    let well_formed = code.len() == (MOMENT_CHARS + RANDOM_CHARS) as usize;
    let moment = code.bytes().take(MOMENT_CHARS as usize).try_fold(0_i64, |moment, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        Some(moment << 5 | digit as i64)
    });
    let latest = now.plus_ms(SLACK_MS).0;
    moment.filter(|_| well_formed).into_iter().flat_map(move |moment| {
        let newest = latest - (latest - moment).rem_euclid(ROUND_MS);
        (0..ROUNDS).map(move |round| UnixMillis(newest - round * ROUND_MS)).filter(|at| at.0 >= 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_leads_back_to_its_moment() {
        for at in [0, 1, 1_764_000_000_000, 1_800_000_000_123, ROUND_MS * 51 - 1, ROUND_MS * 51] {
            let code = compose(UnixMillis(at), 0x01ff_ffff);
            assert_eq!(code.len(), 12);
            assert!(code.ends_with("ZZZZZ"));
            for later_ms in [0, 60_000, 400 * 24 * 3_600_000] {
                let found: Vec<_> = moments(&code, UnixMillis(at + later_ms)).collect();
                assert!(found.contains(&UnixMillis(at)), "{at} after {later_ms}: {found:?}");
                assert!(found.len() <= 3);
            }
        }
    }

    #[test]
    fn what_is_no_code_has_no_moment() {
        for text in ["", "0123456", "0123456789AB0", "ILOU56789ABC", "ñññññññ", "0123456789a"] {
            assert_eq!(moments(text, UnixMillis(1_764_000_000_000)).count(), 0, "{text}");
        }
    }
}
