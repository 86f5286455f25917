//! Words in dates: months and days of the week in several languages, and what stands
//! between them, in the English that patterns know.

/// What months begin with or are called, besides English: German, French, Spanish,
/// Italian, Portuguese, Dutch. No word means different months in two of them.
const MONTHS: [(&str, &[&str]); 12] = [
    ("Jan", &["januar", "jänner", "jän", "janvier", "janv", "enero", "ene", "gennaio", "gen", "janeiro", "januari"]),
    (
        "Feb",
        &[
            "februar",
            "février",
            "fevrier",
            "févr",
            "fevr",
            "fév",
            "febrero",
            "febbraio",
            "fevereiro",
            "fev",
            "februari",
        ],
    ),
    ("Mar", &["märz", "maerz", "mär", "mrz", "mars", "marzo", "março", "maart"]),
    ("Apr", &["april", "avril", "avr", "abril", "abr", "aprile"]),
    ("May", &["mai", "mayo", "maggio", "mag", "maio", "mei"]),
    ("Jun", &["juni", "juin", "junio", "giugno", "giu", "junho"]),
    ("Jul", &["juli", "juillet", "juil", "julio", "luglio", "lug", "julho"]),
    ("Aug", &["august", "août", "aout", "agosto", "ago", "augustus"]),
    ("Sep", &["september", "septembre", "septiembre", "setiembre", "settembre", "setembro", "set"]),
    ("Oct", &["oktober", "okt", "octobre", "octubre", "ottobre", "ott", "outubro", "out"]),
    ("Nov", &["november", "novembre", "noviembre", "novembro"]),
    (
        "Dec",
        &["dezember", "dez", "décembre", "decembre", "déc", "diciembre", "dicembre", "dic", "dezembro", "december"],
    ),
];
const ENGLISH: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Days of the week in other languages; of short ones only those that are no months.
const OTHER_WEEKDAYS: &[&str] = &[
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonnabend",
    "sonntag",
    "mo",
    "di",
    "mi",
    "do",
    "fr",
    "sa",
    "so",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
    "lunes",
    "martes",
    "miércoles",
    "miercoles",
    "jueves",
    "viernes",
    "sábado",
    "sabado",
    "domingo",
    "lunedì",
    "martedì",
    "mercoledì",
    "giovedì",
    "venerdì",
    "sabato",
    "domenica",
];
/// Words that say nothing of when.
const BETWEEN: &[&str] = &["de", "del", "um", "uhr", "le", "il", "el"];

/// Whether a word is a month.
pub fn is_month(word: &str) -> bool {
    let lower = word.to_lowercase();
    ENGLISH.iter().any(|m| *m == lower || m[..3] == lower) || lower == "sept" || month(&lower).is_some()
}

/// Whether a word, in small letters, is a day of the week.
pub fn is_weekday(lower: &str) -> bool {
    let short =
        |d: &str| lower.len() >= 3 && lower.is_ascii() && (d[..3] == *lower || (lower.len() == 4 && d[..4] == *lower));
    WEEKDAYS.iter().any(|d| *d == lower || short(d)) || OTHER_WEEKDAYS.contains(&lower)
}

/// Whether a word, in small letters, stands between the parts of a date.
pub fn is_between(lower: &str) -> bool {
    BETWEEN.contains(&lower)
}

fn month(lower: &str) -> Option<&'static str> {
    MONTHS.iter().find(|(_, all)| all.contains(&lower)).map(|(english, _)| *english)
}

/// A cell without the weekday that it may begin with.
pub fn without_weekday(cell: &str) -> &str {
    let end = cell.find(|c: char| !c.is_alphabetic()).unwrap_or(cell.len());
    if end < 2 || !is_weekday(&cell[..end].to_lowercase()) {
        return cell;
    }
    cell[end..].trim_start_matches(['.', ',']).trim_start()
}

/// A cell in the words that patterns know: days without `th`, months in English, `am`
/// for `a.m.`.
pub fn plain(cell: &str) -> String {
    let mut words: Vec<String> = cell.split(' ').filter(|w| !w.is_empty()).map(String::from).collect();
    words.retain(|word| !is_between(&word.to_lowercase()));
    // `6 p. m.`
    if let [.., first, last] = &mut words[..]
        && last.eq_ignore_ascii_case("m.")
        && matches!(first.to_lowercase().as_str(), "a." | "p.")
    {
        *first = format!("{first}m.");
        words.pop();
    }
    for word in &mut words {
        let comma = if word.ends_with(',') { "," } else { "" };
        let bare = word.trim_end_matches(',');
        let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
        let lower = bare.to_lowercase();
        let found = if (1..=2).contains(&digits) && matches!(&lower[digits..], "st" | "nd" | "rd" | "th" | "er" | "º")
        {
            Some(bare[..digits].to_string())
        } else if matches!(lower.as_str(), "sept" | "sept.") {
            Some("Sep".into())
        } else if matches!(lower.as_str(), "a.m." | "p.m.") {
            Some(lower.replace('.', ""))
        } else if let Some(month) = month(lower.trim_end_matches('.')) {
            Some(month.into())
        } else if bare.len() == 4 && bare.ends_with('.') && bare[..3].bytes().all(|b| b.is_ascii_alphabetic()) {
            Some(bare[..3].into())
        } else {
            inner(bare)
        };
        if let Some(found) = found {
            *word = found + comma;
        }
    }
    words.join(" ")
}

/// A word such as `27-Okt-2019` with its month in English.
fn inner(word: &str) -> Option<String> {
    let start = word.find(char::is_alphabetic).filter(|start| *start > 0 || word.contains(['-', '/']))?;
    let end = word[start..].find(|c: char| !c.is_alphabetic()).map_or(word.len(), |n| start + n);
    let month = month(&word[start..end].to_lowercase())?;
    Some(format!("{}{month}{}", &word[..start], &word[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_several_languages_are_english() {
        for (cell, english) in [
            ("27. Oktober 2019", "27. Oct 2019"),
            ("27 de octubre de 2019", "27 Oct 2019"),
            ("1er janvier 2020", "1 Jan 2020"),
            ("3 déc. 2020", "3 Dec 2020"),
            ("27-Okt-2019", "27-Oct-2019"),
            ("Mai 2019", "May 2019"),
            ("October 27th, 2019", "October 27, 2019"),
            ("Sept 5, 2017", "Sep 5, 2017"),
            ("1/2/2020 1:30 p.m.", "1/2/2020 1:30 pm"),
            ("1/2/2020 1:30 p. m.", "1/2/2020 1:30 pm"),
        ] {
            assert_eq!(plain(cell), english);
        }
        assert_eq!(without_weekday("Sonntag, 27. Oktober 2019"), "27. Oktober 2019");
        assert_eq!(without_weekday("So 27.10.2019"), "27.10.2019");
        assert_eq!((without_weekday("sold 5"), without_weekday("März 2019")), ("sold 5", "März 2019"));
        assert!(is_month("Oktober") && is_month("oct") && !is_month("x"));
    }
}
