//! The moments that servers write: in a `Date` header, and in the fields of an answer.

use std::time::SystemTime;

/// The moment of an API's field such as `2017-06-09T09:17:19Z`.
pub(crate) fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

/// The moment of a `Date` header (RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`). The two obsolete forms are no
/// server's of today.
pub(crate) fn parse_http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_weekday, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = 1 + MONTHS.iter().position(|name| *name == month)?;
    (parts.next()? == "GMT").then_some(())?;
    parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_header_is_read() {
        let moment = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(Some(moment), parse_rfc3339("1994-11-06T08:49:37Z"));
        for bad in [
            "",
            "now",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 99 Xxx 1 2 GMT",
        ] {
            assert_eq!(parse_http_date(bad), None, "{bad:?}");
        }
    }
}
