//! Words that join others and say nothing of what a text is about. They make no
//! features of text columns.

/// Whether a word, in small letters, is one.
pub(super) fn is_stop_word(word: &str) -> bool {
    ENGLISH.contains(&word) || OTHERS.contains(&word)
}

/// The English list of the Snowball project (snowballstem.org, BSD licence) without
/// its contractions, and without what turns or weighs a meaning: no, nor, not, against,
/// more, most, few, very, too, only and the like.
const ENGLISH: &[&str] = &[
    "i", "me", "my", "myself", "we", "us", "our", "ours", "ourselves", "you", "your", "yours", "yourself",
    "yourselves", "he", "him", "his", "himself", "she", "her", "hers", "herself", "it", "its", "itself", "they",
    "them", "their", "theirs", "themselves", "what", "which", "who", "whom", "this", "that", "these", "those", "am",
    "is", "are", "was", "were", "be", "been", "being", "have", "has", "had", "having", "do", "does", "did", "doing",
    "would", "should", "could", "ought", "a", "an", "the", "and", "but", "if", "or", "because", "as", "until",
    "while", "of", "at", "by", "for", "with", "about", "between", "into", "through", "during", "to", "from", "in",
    "on", "then", "here", "there", "when", "where", "why", "how", "so", "than", "will", "can",
];

/// Articles and the commonest prepositions and conjunctions of German, French, Spanish,
/// Italian, Portuguese and Dutch, from the lists of the same project.
const OTHERS: &[&str] = &[
    "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "und", "oder", "von", "vom",
    "zu", "zum", "zur", "mit", "im", "ist", "le", "la", "les", "un", "une", "du", "de", "et", "ou", "en", "au",
    "aux", "dans", "par", "pour", "sur", "el", "los", "las", "una", "unos", "unas", "del", "al", "con", "por", "para",
    "il", "lo", "gli", "di", "della", "dei", "uno", "os", "da", "dos", "das", "um", "uma", "het", "een", "van", "en",
    "op", "voor", "met",
];
