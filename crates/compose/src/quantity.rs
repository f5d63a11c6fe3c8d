//! Sizes and time spans as compose files write them.

/// Bytes from `512m`, `1.5g`, `64KB`, `2GiB` or a plain number; units are powers of 1024, as Docker has them.
pub fn bytes(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return None,
    };
    scaled(number, 1_i64 << shift)
}

/// Milliseconds from `1h5m10s20ms`, `90s`, `1.5m`; a bare number is seconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    if rest.bytes().all(|b| b.is_ascii_digit()) {
        return rest.parse::<u64>().ok()?.checked_mul(1000);
    }
    let mut micros: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit_us = match unit {
            "us" => 1,
            "ms" => 1000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            _ => return None,
        };
        micros = micros.checked_add(scaled(number, unit_us)?)?;
        rest = after;
    }
    u64::try_from(micros / 1000).ok()
}

/// Thousandths of a decimal number, rounded down: `0.5` is 500.
pub(crate) fn thousandths(text: &str) -> Option<i64> {
    scaled(text.trim(), 1000)
}

/// A decimal number times a whole one, rounded down, without the error of binary fractions.
fn scaled(number: &str, factor: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 18 || fraction.contains('.') {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    let value = digits.checked_mul(i128::from(factor))? / 10_i128.pow(places);
    i64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, want) in [
            ("0", Some(0)),
            ("1048576", Some(1 << 20)),
            ("512m", Some(512 << 20)),
            ("1g", Some(1 << 30)),
            ("1.5g", Some(3 << 29)),
            ("64KB", Some(64 << 10)),
            ("2 GiB", Some(2 << 30)),
            ("100b", Some(100)),
            ("", None),
            ("m", None),
            ("12q", None),
            ("-1", None),
            ("1.2.3m", None),
            ("99999999999p", None),
            ("99999999999999999999999999999999999999999999", None),
        ] {
            assert_eq!(bytes(text), want, "{text}");
        }
    }

    #[test]
    fn spans() {
        for (text, want) in [
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1h5m10s20ms", Some(3_910_020)),
            ("2500us", Some(2)),
            ("10", Some(10_000)),
            ("", None),
            ("s", None),
            ("10x", None),
            ("1m30", None),
            ("-5s", None),
        ] {
            assert_eq!(duration_ms(text), want, "{text}");
        }
    }
}
