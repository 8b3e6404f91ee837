//! Texts that are nearly right: real ones, damaged at random.

use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    DropLine(prop::sample::Index),
    RepeatLine(prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, String),
    ReplaceWord(prop::sample::Index, String),
}

impl Damage {
    fn inflict(&self, text: &str) -> String {
        let mut lines: Vec<&str> = text.split('\n').collect();
        match self {
            Self::Cut(at) => {
                let mut at = at.index(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                return text[..at].to_owned();
            }
            Self::Insert(at, more) => {
                let mut at = at.index(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                return format!("{}{more}{}", &text[..at], &text[at..]);
            }
            Self::ReplaceWord(which, word) => {
                let mut words: Vec<&str> = text.split(' ').collect();
                let at = which.index(words.len());
                words[at] = word;
                return words.join(" ");
            }
            Self::DropLine(at) => {
                lines.remove(at.index(lines.len()));
            }
            Self::RepeatLine(at) => {
                let at = at.index(lines.len());
                lines.insert(at, lines[at]);
            }
            Self::SwapLines(one, other) => {
                let (one, other) = (one.index(lines.len()), other.index(lines.len()));
                lines.swap(one, other);
            }
        }
        lines.join("\n")
    }
}

/// One of these samples, damaged in a few places. `words` are what the format is made of.
pub(crate) fn damaged(
    samples: &'static [&'static str],
    words: &'static str,
) -> impl Strategy<Value = String> {
    let index = any::<prop::sample::Index>;
    let damage = prop_oneof![
        index().prop_map(Damage::Cut),
        index().prop_map(Damage::DropLine),
        index().prop_map(Damage::RepeatLine),
        (index(), index()).prop_map(|(one, other)| Damage::SwapLines(one, other)),
        (index(), words).prop_map(|(at, word)| Damage::Insert(at, word)),
        (index(), words).prop_map(|(at, word)| Damage::ReplaceWord(at, word)),
    ];
    let damages = proptest::collection::vec(damage, 1..6);
    (prop::sample::select(samples), damages).prop_map(|(sample, damages)| {
        damages.iter().fold(sample.to_owned(), |text, damage| damage.inflict(&text))
    })
}
