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
    let Some(position) = left
        .char_indices()
        .zip(right.chars())
        .find(|((_, a), b)| a != b)
        .map(|((position, _), _)| position)
    else {
        return left.len() < right.len();
    };
    let (common, left, right) = (&left[..position], &left[position..], &right[position..]);
    let (Some(a), Some(b)) = (left.chars().next(), right.chars().next()) else {
        return left.len() < right.len();
    };
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a < b,
        (left_is_letter, right_is_letter) if left_is_letter != right_is_letter => {
            let after_digit = common.ends_with(is_digit);
            return left_is_letter == (letters_first_after_digits && after_digit);
        }
        _ => {}
    }
    // A zero inside of a longer number counts as a digit of that number, not as a leading zero.
    let inside_number = (a == '0' || b == '0')
        && common
            .chars()
            .rev()
            .take_while(|character| is_digit(*character))
            .any(|character| character != '0');
    let start = i64::from(inside_number);
    let (left_number, left_length) = leading_number(left, start);
    let (right_number, right_length) = leading_number(right, start);
    (left_number, left_length, a) < (right_number, right_length, b)
}

/// Reads the digits at the start, continuing from `start`; overflow wraps as in Go.
fn leading_number(text: &str, start: i64) -> (i64, usize) {
    let digits = text.bytes().take_while(u8::is_ascii_digit);
    digits.fold((start, 0), |(number, length), digit| {
        let number = number
            .wrapping_mul(10)
            .wrapping_add(i64::from(digit - b'0'));
        (number, length + 1)
    })
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}
