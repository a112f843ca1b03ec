//! The order of map keys in YAML that Go writes: numbers inside of keys count as numbers.

use std::cmp::Ordering;

/// Compares two keys: letters after everything else, runs of digits by their value (`a9`
/// before `a10`).
///
/// Source: go-yaml v2 sorter.go. The relation is not transitive for every odd input, so sort
/// with [`sort_keys`], which cannot panic over it.
pub fn natural_order(left: &str, right: &str) -> Ordering {
    if left == right {
        Ordering::Equal
    } else if less(left, right, false) {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

/// Sorts keys in [`natural_order`] by merging; stable and without panics on any relation.
///
/// `letters_first_after_digits` is the variant of go-yaml v3: after a digit that both keys share,
/// a letter comes before what is no letter.
pub(super) fn sort_keys<T: Copy>(
    items: &mut Vec<T>,
    name: &impl Fn(&T) -> &str,
    letters_first_after_digits: bool,
) {
    if items.len() < 2 {
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    sort_keys(items, name, letters_first_after_digits);
    sort_keys(&mut right, name, letters_first_after_digits);
    let mut merged = Vec::with_capacity(items.len() + right.len());
    let mut left = std::mem::take(items).into_iter().peekable();
    let mut right = right.into_iter().peekable();
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let take_right = less(name(second), name(first), letters_first_after_digits);
        merged.extend(if take_right {
            right.next()
        } else {
            left.next()
        });
    }
    merged.extend(left);
    merged.extend(right);
    *items = merged;
}

fn less(left: &str, right: &str, letters_first_after_digits: bool) -> bool {
    if let (Some(a), Some(b)) = (left.bytes().next(), right.bytes().next())
        && a != b
        && a.is_ascii_alphabetic()
        && b.is_ascii_alphabetic()
    {
        return a < b;
    }
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let Some(position) = left.iter().zip(&right).position(|(a, b)| a != b) else {
        return left.len() < right.len();
    };
    let (a, b) = (left[position], right[position]);
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a < b,
        (left_is_letter, _) if left_is_letter != b.is_alphabetic() => {
            let after_digit = position > 0 && is_digit(left[position - 1]);
            return left_is_letter == (letters_first_after_digits && after_digit);
        }
        _ => {}
    }
    // A zero inside of a longer number counts as a digit of that number, not as a leading zero.
    let inside_number = (a == '0' || b == '0')
        && left[..position]
            .iter()
            .rev()
            .take_while(|character| is_digit(**character))
            .any(|character| *character != '0');
    let start = i64::from(inside_number);
    let (left_number, left_end) = number_at(&left, position, start);
    let (right_number, right_end) = number_at(&right, position, start);
    (left_number, left_end, a) < (right_number, right_end, b)
}

/// Reads the digits from `position` on, continuing from `start`; overflow wraps as in Go.
fn number_at(text: &[char], position: usize, start: i64) -> (i64, usize) {
    let mut number = start;
    let mut end = position;
    while let Some(character) = text.get(end).filter(|character| is_digit(**character)) {
        let digit = i64::from(u32::from(*character)) - i64::from(u32::from('0'));
        number = number.wrapping_mul(10).wrapping_add(digit);
        end += 1;
    }
    (number, end)
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}
