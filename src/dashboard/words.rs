//! The texts of the page, in the languages that it speaks: what the page says itself ([`table`]), the
//! words of the API ([`terms`]), and the keys of a job ([`fields`]). A text that is missing in a
//! language does not compile.
//!
//! What the program itself says (reasons, errors, logs) is the same everywhere, and English.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

mod fields;
mod table;
mod terms;

pub(super) use table::Words;

impl Words {
    /// The languages, the default first.
    pub(super) const ALL: [&Self; 2] = [&Self::ENGLISH, &Self::FRENCH];

    /// The language that a browser likes best of those that are spoken here.
    pub(super) fn of(headers: &HeaderMap) -> &'static Self {
        let lines = headers.get_all(ACCEPT_LANGUAGE).iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        let mut best: (&'static Self, f32) = (Self::ALL[0], 0.0);
        for range in lines.flat_map(|line| line.split(',')) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let tag = tag.trim().split('-').next().unwrap_or_default();
            let liking = parameters.trim().strip_prefix("q=");
            let liking = liking.map_or(Some(1.0), |text| text.trim().parse::<f32>().ok());
            let spoken = Self::ALL.into_iter().find(|words| words.code.eq_ignore_ascii_case(tag));
            if let (Some(words), Some(liking)) = (spoken, liking)
                && liking > best.1
            {
                best = (words, liking);
            }
        }
        best.0
    }

    /// What a key of a job is called, and what is to be known of it.
    pub(super) fn field(&self, key: &str) -> (&'static str, &'static str) {
        let found = fields::FIELDS.iter().find(|(known, ..)| *known == key);
        match found {
            Some((_, _, _, french, remark)) if self.code == "fr" => (french, remark),
            Some((_, english, remark, ..)) => (english, remark),
            None => ("", ""),
        }
    }

    /// A word of the API in this language; one that nobody knows stays as it is.
    pub(super) fn term<'a>(&self, word: &'a str) -> &'a str {
        let found = terms::TERMS.iter().find(|(known, ..)| *known == word);
        match found {
            Some((_, english, french)) => {
                if self.code == "fr" {
                    french
                } else {
                    english
                }
            }
            None => word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_browser_chooses_the_language() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(text));
            Words::of(&headers).code
        };
        assert_eq!(Words::of(&HeaderMap::new()).code, "en");
        for french in ["fr", "fr-FR,fr;q=0.9,en;q=0.8", "de, FR-be;q=0.5", "en;q=0.3, fr;q=0.4"] {
            assert_eq!(of(french), "fr", "{french}");
        }
        for english in ["en-GB", "de", "*", "fr;q=0", "fr;q=0.3, en", "", "fr;q=x"] {
            assert_eq!(of(english), "en", "{english}");
        }
    }

    #[test]
    fn every_language_has_every_text() {
        let (english, french) = (Words::ENGLISH.all(), Words::FRENCH.all());
        assert_eq!(english.len(), french.len());
        for ((key, english), (_, french)) in english.iter().zip(&french) {
            assert!(!english.trim().is_empty() && !french.trim().is_empty(), "{key}");
            let words = |text: &str| text.split(' ').count();
            let lists = [
                "month_names",
                "weekday_names",
                "rule_letters",
                "byte_units",
                "age_units",
                "time_units",
            ];
            if lists.contains(key) {
                assert_eq!(words(english), words(french), "{key}");
            }
        }
        for (word, english, french) in terms::TERMS {
            assert!(!english.is_empty() && !french.is_empty(), "{word}");
        }
    }

    #[test]
    fn every_word_of_the_api_that_is_shown_has_one_text() {
        let mut known: Vec<&str> = terms::TERMS.iter().map(|(word, ..)| *word).collect();
        known.sort_unstable();
        let twice = known.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None);
        for word in crate::api::dto::shown_words() {
            assert!(known.contains(&word.as_str()), "`{word}` would be shown as it is");
        }
    }
}
