//! Formats of access logs: text with Envoy's commands, as `%START_TIME%` and `%REQ(:METHOD):20%`.
//!
//! Envoy refuses a whole listener for one command that it does not know, so formats are checked first.

mod commands;

pub use commands::{CUT, PLAIN, VARIABLES, WITH_ARGUMENTS, WITH_OR_WITHOUT};

/// What is wrong with a format, if Envoy would refuse it.
pub(super) fn check(format: &str) -> Result<(), String> {
    let mut rest = format;
    while let Some(start) = rest.find('%') {
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            rest = after;
            continue;
        }
        let name = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let (name, after) = rest.split_at(name.unwrap_or(rest.len()));
        let (arguments, after) = arguments(name, after)?;
        let after = match after.strip_prefix(':') {
            Some(_) if !CUT.contains(&name) => return Err(format!("%{name}% cannot be cut")),
            Some(length) => length.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => after,
        };
        let Some(after) = after.strip_prefix('%') else {
            return Err(format!(
                "after %{name} a % is missing; write %% for the sign itself"
            ));
        };
        known(name, arguments)?;
        rest = after;
    }
    Ok(())
}

/// What stands in parentheses after a name, and the rest. Formats of times have percent signs in them.
fn arguments<'a>(name: &str, after: &'a str) -> Result<(Option<&'a str>, &'a str), String> {
    let Some(inner) = after.strip_prefix('(') else {
        return Ok((None, after));
    };
    let (arguments, rest) = inner
        .split_once(')')
        .ok_or_else(|| format!("the parenthesis after %{name} is not closed"))?;
    Ok((Some(arguments), rest))
}

fn known(name: &str, arguments: Option<&str>) -> Result<(), String> {
    let is_among = |list: &[(&str, &str)]| list.iter().any(|(command, _)| *command == name);
    let without = VARIABLES.contains(&name) || PLAIN.contains(&name);
    match arguments {
        _ if is_among(&WITH_OR_WITHOUT) => Ok(()),
        None if without => Ok(()),
        Some(_) if is_among(&WITH_ARGUMENTS) => Ok(()),
        Some(_) if without => Err(format!("%{name}% takes no arguments")),
        None if is_among(&WITH_ARGUMENTS) => Err(format!("%{name}(…)% needs arguments")),
        _ => Err(format!("nothing is known of %{name}%")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_envoy_would_refuse_is_found() {
        for good in [
            "",
            "plain text, 100%%",
            "%START_TIME% %KUMA_MESH% %RESPONSE_CODE%",
            "[%START_TIME(%Y/%m/%dT%H:%M:%S%z)%] %REQ(:METHOD):20% %REQ(X?Y)%",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, problem) in [
            (
                "100%",
                "after % a % is missing; write %% for the sign itself",
            ),
            (
                "%START_TIME",
                "after %START_TIME a % is missing; write %% for the sign itself",
            ),
            ("%REQ(:METHOD%", "the parenthesis after %REQ is not closed"),
            ("%REQ%", "%REQ(…)% needs arguments"),
            ("%PROTOCOL(x)%", "%PROTOCOL% takes no arguments"),
            ("%PROTOCOL:3%", "%PROTOCOL% cannot be cut"),
            ("%KUMA_NAME%", "nothing is known of %KUMA_NAME%"),
        ] {
            assert_eq!(check(bad), Err(problem.to_owned()), "{bad}");
        }
    }
}
