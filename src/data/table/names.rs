//! What the name of a column says of its cells: that they tell people or things
//! apart, that they are a part of the calendar.

/// Those of whom there may be several rows.
const SUBJECTS: &[&str] = &[
    "patient",
    "subject",
    "customer",
    "client",
    "user",
    "participant",
    "person",
    "individual",
    "respondent",
    "member",
    "student",
    "pupil",
    "animal",
    "mouse",
    "donor",
    "speaker",
    "writer",
    "author",
    "player",
    "athlete",
    "employee",
    "worker",
    "household",
    "family",
    "account",
    "visitor",
    "buyer",
    "driver",
    "borrower",
    "volunteer",
    "proband",
    "kunde",
    "nutzer",
];
/// Words beside those.
const MARKS: &[&str] = &[
    "id",
    "ids",
    "no",
    "nr",
    "num",
    "number",
    "code",
    "key",
    "name",
    "index",
    "uid",
    "uuid",
    "guid",
    "identifier",
    "hash",
];
/// What else may have a series of its own.
const ENTITIES: &[&str] = &[
    "store",
    "shop",
    "branch",
    "outlet",
    "item",
    "sku",
    "product",
    "station",
    "site",
    "location",
    "city",
    "country",
    "region",
    "state",
    "county",
    "district",
    "sensor",
    "device",
    "machine",
    "unit",
    "engine",
    "meter",
    "building",
    "turbine",
    "plant",
    "ticker",
    "symbol",
    "stock",
    "company",
    "firm",
    "asset",
    "team",
    "school",
    "hospital",
    "series",
    "group",
    "panel",
    "entity",
    "well",
    "farm",
    "plot",
    "line",
    "dept",
    "department",
    "category",
];
/// Parts of the calendar, and what goes with a clock.
const CALENDAR: &[&str] = &[
    "month",
    "months",
    "mon",
    "quarter",
    "qtr",
    "week",
    "weekday",
    "day",
    "dow",
    "doy",
    "season",
    "hour",
    "hr",
    "minute",
    "second",
    "time",
    "timezone",
    "tz",
    "zone",
    "offset",
    "utcoffset",
    "dst",
    "date",
    "period",
    "holiday",
    "monat",
    "woche",
    "tag",
    "stunde",
];
/// Years, and what may stand beside them.
const YEARS: &[&str] = &["year", "yr", "jahr", "anno", "ano", "año", "annee", "année", "jaar"];
const BESIDE_YEARS: &[&str] = &["calendar", "fiscal", "survey", "reference", "ref", "data", "report", "reporting"];

/// The words of a name, in small letters: `patientId` has two.
fn words(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            spaced.push(' ');
        }
        spaced.push(if c.is_alphanumeric() { c } else { ' ' });
        before = c;
    }
    spaced.to_lowercase().split_whitespace().map(String::from).collect()
}

fn is_in(all: &[&str], word: &str) -> bool {
    let one = |w: &str| all.contains(&w);
    one(word)
        || word.strip_suffix("ies").is_some_and(|w| one(&format!("{w}y")))
        || word.strip_suffix('s').is_some_and(one)
}

/// Whether cells name people or things of which there may be several rows.
pub(crate) fn says_subject(name: &str) -> bool {
    let words = words(name);
    let about = |w: &String| is_in(SUBJECTS, w);
    let mark = |w: &String| MARKS.contains(&w.as_str());
    let id = words.last().is_some_and(|w| matches!(&w[..], "id" | "uid" | "uuid" | "guid"));
    id || (words.iter().any(about) && words.iter().all(|w| about(w) || mark(w)))
}

/// Whether cells name what may have a series of its own.
pub(crate) fn says_entity(name: &str) -> bool {
    says_subject(name) || words(name).iter().any(|w| is_in(ENTITIES, w))
}

/// Whether cells are a part of the calendar.
pub(crate) fn says_calendar(name: &str) -> bool {
    words(name).iter().any(|w| CALENDAR.contains(&w.as_str()))
}

/// Whether cells are years.
pub(crate) fn says_year(name: &str) -> bool {
    let words = words(name);
    let year = |w: &String| YEARS.contains(&w.as_str());
    words.iter().any(year) && words.iter().all(|w| year(w) || BESIDE_YEARS.contains(&w.as_str()))
}

/// Whether cells are months or other spans of time, of whatever length.
pub(crate) fn says_period(name: &str) -> bool {
    words(name).iter().any(|w| matches!(&w[..], "month" | "months" | "monat" | "mois" | "mes" | "period" | "periode"))
}

/// Whether cells are dates, and nothing else that has to do with time.
pub(crate) fn says_date(name: &str) -> bool {
    let date = |w: &String| matches!(&w[..], "date" | "datetime" | "datum" | "fecha" | "timestamp" | "zeitstempel");
    words(name).iter().any(date)
}

/// Whether cells are hours of the day.
pub(crate) fn says_hour(name: &str) -> bool {
    matches!(&words(name)[..], [one] if ["hour", "hr", "stunde", "heure", "hora", "std"].contains(&one.as_str()))
}

/// Whether cells are days of the month, where a year and a month stand beside them.
pub(crate) fn says_day(name: &str) -> bool {
    matches!(&words(name)[..], [one] if ["day", "tag", "jour", "dia", "día", "mday"].contains(&one.as_str()))
}

/// Whether cells are quarters.
pub(crate) fn says_quarter(name: &str) -> bool {
    matches!(&words(name)[..], [one] if ["quarter", "qtr", "quartal", "trimestre", "q"].contains(&one.as_str()))
}

/// Whether cells are weeks of the year.
pub(crate) fn says_week(name: &str) -> bool {
    let one = |w: &str| ["week", "isoweek", "kw", "kalenderwoche", "woche", "weekofyear"].contains(&w);
    matches!(&words(name)[..], [w] if one(w)) || words(name).join("") == "weekofyear"
}

/// Whether cells are months.
pub(crate) fn says_month(name: &str) -> bool {
    matches!(&words(name)[..], [one] if ["month", "mon", "monat", "mois", "mes"].contains(&one.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_cells_are() {
        for name in ["patient", "Patient ID", "subject_no", "customerId", "userID", "Customer Name", "families", "id"] {
            assert!(says_subject(name), "{name}");
        }
        for name in [
            "Customer type",
            "user_rating",
            "family size",
            "Member card",
            "patience",
            "idle",
            "Gender",
            "number",
            "key",
        ] {
            assert!(!says_subject(name), "{name}");
        }
        assert!(says_entity("Store") && says_entity("unit number") && says_entity("Countries"));
        assert!(!says_entity("sales") && !says_entity("price"));
        assert!(says_calendar("Month") && says_calendar("utc_offset") && !says_calendar("Entity"));
        assert!(says_year("YEAR") && says_year("Fiscal Year") && says_year("Jahr"));
        assert!(!says_year("model year") && !says_year("years_at_company") && !says_year("yearly"));
        assert!(says_month("month") && !says_month("months_paid"));
    }
}
