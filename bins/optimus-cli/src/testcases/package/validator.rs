//! The default output validator's arguments.

use optimus_common::checker::Checker;

use super::format::PackageFormat;

/// The checker they ask for, or what is wrong with them.
pub(super) fn checker(arguments: &[String], format: PackageFormat) -> Result<Checker, String> {
    let mut case_sensitive = false;
    let mut space_change_sensitive = false;
    let mut absolute: Option<f64> = None;
    let mut relative: Option<f64> = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (to_absolute, to_relative) = match argument.as_str() {
            "case_sensitive" => {
                case_sensitive = true;
                continue;
            }
            "space_change_sensitive" => {
                space_change_sensitive = true;
                continue;
            }
            "float_tolerance" => (true, true),
            "float_absolute_tolerance" => (true, false),
            "float_relative_tolerance" => (false, true),
            _ => {
                return Err(format!(
                    "the default output validator has no argument {argument:?}"
                ));
            }
        };
        let tolerance = rest
            .next()
            .and_then(|text| text.parse().ok())
            .filter(|tolerance: &f64| tolerance.is_finite() && *tolerance >= 0.0)
            .ok_or_else(|| format!("{argument} must be followed by a number, 0 or more"))?;
        // The older versions do not say what a second tolerance means; their validator takes the last one.
        let again = to_absolute && absolute.is_some() || to_relative && relative.is_some();
        if again && format != PackageFormat::Legacy {
            return Err(format!("{argument} gives a tolerance that was given before"));
        }
        absolute = if to_absolute { Some(tolerance) } else { absolute };
        relative = if to_relative { Some(tolerance) } else { relative };
    }
    Ok(Checker::Icpc {
        case_sensitive,
        space_change_sensitive,
        float_absolute_tolerance: absolute,
        float_relative_tolerance: relative,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, format: PackageFormat) -> Result<Checker, String> {
        let arguments: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        checker(&arguments, format)
    }

    #[test]
    fn every_argument_is_read() {
        assert_eq!(
            read("", PackageFormat::Legacy),
            Ok(Checker::Icpc {
                case_sensitive: false,
                space_change_sensitive: false,
                float_absolute_tolerance: None,
                float_relative_tolerance: None,
            })
        );
        assert_eq!(
            read(
                "case_sensitive float_absolute_tolerance 1e-6 space_change_sensitive float_relative_tolerance 0.5",
                PackageFormat::Of2025
            ),
            Ok(Checker::Icpc {
                case_sensitive: true,
                space_change_sensitive: true,
                float_absolute_tolerance: Some(1e-6),
                float_relative_tolerance: Some(0.5),
            })
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for bad in [
            "float_tolerance",
            "float_tolerance x",
            "float_tolerance -1",
            "float_tolerance inf",
            "no_such_flag",
        ] {
            let error = read(bad, PackageFormat::Legacy).unwrap_err();
            assert!(error.contains(bad.split(' ').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_second_tolerance_is_the_last_word_of_old_packages_and_an_error_in_new_ones() {
        let twice = "float_tolerance 1e-6 float_absolute_tolerance 1e-3";
        assert_eq!(
            read(twice, PackageFormat::Legacy),
            Ok(Checker::Icpc {
                case_sensitive: false,
                space_change_sensitive: false,
                float_absolute_tolerance: Some(1e-3),
                float_relative_tolerance: Some(1e-6),
            })
        );
        assert!(read(twice, PackageFormat::Of2023).is_err());
    }
}
