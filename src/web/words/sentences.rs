//! English sentences of the program, known by their own messages.

/// What the names of such messages begin with.
const PREFIX: &str = "sentence-";

/// Every sentence that is known: those that begin with a word of their own first, which fit fewer texts, and of
/// these the ones with the most words.
pub(super) struct Sentences(Vec<Known>);

struct Known {
    message: String,
    /// The words around the gaps, in order: one more than there are gaps.
    words: Vec<String>,
    /// What stands in each gap.
    names: Vec<String>,
}

/// A sentence that is known, with what stands in its gaps.
pub(super) struct Found<'a> {
    pub message: &'a str,
    pub with: Vec<(&'a str, &'a str)>,
}

impl Sentences {
    /// Those of the English files, each of one line: `sentence-paused-by = paused by { $name }`.
    pub fn new(files: &[(String, String)]) -> Self {
        let lines = files.iter().flat_map(|(_, text)| text.lines());
        let named = lines.filter(|line| line.starts_with(PREFIX)).filter_map(|line| line.split_once(" = "));
        let mut known: Vec<Known> = named.map(|(message, sentence)| Known::new(message, sentence)).collect();
        let own = |known: &Known| known.words.iter().map(String::len).sum::<usize>();
        known.sort_by_key(|known| (known.words[0].is_empty(), std::cmp::Reverse(own(known))));
        Self(known)
    }

    pub fn find<'a>(&'a self, text: &'a str) -> Option<Found<'a>> {
        self.0.iter().find_map(|known| {
            let parts = known.gaps(text.trim())?;
            let with = known.names.iter().map(String::as_str).zip(parts).collect();
            Some(Found { message: &known.message, with })
        })
    }
}

impl Known {
    fn new(message: &str, sentence: &str) -> Self {
        let (mut words, mut names) = (Vec::new(), Vec::new());
        let mut rest = sentence;
        while let Some((before, (name, after))) =
            rest.split_once("{ $").and_then(|(before, behind)| Some((before, behind.split_once(" }")?)))
        {
            words.push(before.to_owned());
            names.push(name.to_owned());
            rest = after;
        }
        words.push(rest.to_owned());
        Self { message: message.to_owned(), words, names }
    }

    /// What stands in the gaps, where the text has the words around them.
    fn gaps<'a>(&self, text: &'a str) -> Option<Vec<&'a str>> {
        let (first, others) = self.words.split_first()?;
        let mut rest = text.strip_prefix(first.as_str())?;
        let Some((last, between)) = others.split_last() else { return rest.is_empty().then(Vec::new) };
        let mut parts = Vec::with_capacity(others.len());
        for words in between {
            let (part, after) = rest.split_once(words.as_str())?;
            parts.push(part);
            rest = after;
        }
        parts.push(rest.strip_suffix(last.as_str())?);
        Some(parts)
    }
}
