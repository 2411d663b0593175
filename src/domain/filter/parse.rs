//! From text to tree: one function a rule of the grammar.
//!
//! ```text
//! or         = and { "or" and }
//! and        = not { "and" not }
//! not        = "not" not | "(" or ")" | comparison
//! comparison = "online" | "offline" | FIELD sign value | FIELD "in" "(" value { "," value } ")"
//!            | "location" ( sign "none" | "in" area )
//! area       = "circle" "(" point "," KILOMETRES ")" | "polygon" "(" point { "," point } ")"
//! point      = LATITUDE "," LONGITUDE
//! ```

use super::area::{FARTHEST_KM, MAX_CORNERS};
use super::words::{Kind, Word, words};
use super::{
    Area, Comparison, FieldTest, FilterError, Finite, MAX_DEPTH, MAX_FILTER_BYTES, NumberField, NumberTest, PlaceTest,
    Point, TextField, TextTest, Tree, VersionTest,
};
use crate::domain::{DeviceId, ModuleName, Version};

const FIELDS: &str = "id, name, online, offline, tag.NAME, module.NAME, cpu, load, temperature, disk, speed, location or \
    report.FIELD";

/// Bytes of the longest path to a field of a report.
const MAX_PATH_BYTES: usize = 128;

const NUMBER: &str = "a number such as 80 or 12.5";

/// Words that are no values unless they stand in quotes.
pub(super) const RESERVED: [&str; 5] = ["and", "or", "not", "in", "none"];

type Parsed<T = Tree> = Result<T, FilterError>;

pub(super) fn parse(text: &str) -> Parsed {
    if text.len() > MAX_FILTER_BYTES {
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_FILTER_BYTES).last().unwrap_or(0);
        let beyond = Word { kind: Kind::End, bytes: end..text.len() };
        return Err(FilterError::new(text, &beyond, &format!("the end within {MAX_FILTER_BYTES} bytes")));
    }
    let mut reader = Reader { text, words: words(text)?, at: 0, depth: 0 };
    let tree = reader.or()?;
    match reader.word().kind {
        Kind::End => Ok(tree),
        _ => Err(reader.wrong("`and`, `or` or the end")),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Never empty: the last is the end.
    words: Vec<Word>,
    at: usize,
    depth: usize,
}

/// A comparison's sign or word.
enum How {
    Compare(Comparison),
    Contains,
    In,
}

enum Field {
    Online,
    Text(TextField),
    Module(ModuleName),
    Number(NumberField),
    Location,
    /// Of the report, by its path.
    Said(String),
}

impl Reader<'_> {
    fn word(&self) -> &Word {
        &self.words[self.at.min(self.words.len() - 1)]
    }

    fn next(&mut self) -> Word {
        let word = self.word().clone();
        self.at += 1;
        word
    }

    fn wrong(&self, expected: &str) -> FilterError {
        FilterError::new(self.text, self.word(), expected)
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(&self.word().kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.word().kind, Kind::Sign(found) if found == sign)
    }

    fn sign(&mut self, sign: &str, expected: &str) -> Parsed<()> {
        if !self.is_sign(sign) {
            return Err(self.wrong(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn or(&mut self) -> Parsed {
        self.chain("or", Self::and, Tree::Or)
    }

    fn and(&mut self) -> Parsed {
        self.chain("and", Self::not, Tree::And)
    }

    fn chain(&mut self, keyword: &str, part: fn(&mut Self) -> Parsed, whole: fn(Vec<Tree>) -> Tree) -> Parsed {
        let first = part(self)?;
        if !self.is_keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.is_keyword(keyword) {
            self.at += 1;
            parts.push(part(self)?);
        }
        Ok(whole(parts))
    }

    fn not(&mut self) -> Parsed {
        let (negates, opens) = (self.is_keyword("not"), self.is_sign("("));
        if !negates && !opens {
            return self.comparison();
        }
        if self.depth == MAX_DEPTH {
            return Err(self.wrong(&format!("at most {MAX_DEPTH} parentheses and `not`s within each other")));
        }
        self.depth += 1;
        self.at += 1;
        let tree = if negates {
            Tree::Not(Box::new(self.not()?))
        } else {
            let tree = self.or()?;
            self.sign(")", "`and`, `or` or `)`")?;
            tree
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn comparison(&mut self) -> Parsed {
        if self.is_keyword("offline") {
            self.at += 1;
            return Ok(Tree::Online(false));
        }
        match self.field()? {
            Field::Online => self.online(),
            Field::Text(field) => self.of_text(field),
            Field::Module(module) => Ok(Tree::Module(module, self.of_version()?)),
            Field::Number(field) => Ok(Tree::Number(field, self.of_number()?)),
            Field::Location => Ok(Tree::Location(self.of_location()?)),
            Field::Said(path) => Ok(Tree::Field(path, self.of_field()?)),
        }
    }

    fn field(&mut self) -> Parsed<Field> {
        let Kind::Word(word) = &self.word().kind else { return Err(self.wrong(FIELDS)) };
        let field = match word.to_ascii_lowercase().as_str() {
            "online" => Some(Field::Online),
            "id" => Some(Field::Text(TextField::Id)),
            "name" => Some(Field::Text(TextField::Name)),
            "location" => Some(Field::Location),
            number if NumberField::ALL.iter().any(|(name, _)| *name == number) => {
                NumberField::ALL.into_iter().find(|(name, _)| *name == number).map(|(_, field)| Field::Number(field))
            }
            _ => match word.split_once('.') {
                // Tags are named like devices.
                Some(("tag", name)) if DeviceId::new(name).is_ok() => {
                    Some(Field::Text(TextField::Tag(name.to_owned())))
                }
                Some(("module", name)) => ModuleName::new(name).ok().map(Field::Module),
                Some(("report", path))
                    if path.len() <= MAX_PATH_BYTES && path.split('.').all(|part| !part.is_empty()) =>
                {
                    Some(Field::Said(path.to_owned()))
                }
                _ => None,
            },
        };
        let field = field.ok_or_else(|| self.wrong(FIELDS))?;
        self.at += 1;
        Ok(field)
    }

    /// `online`, `online = true`, `online != true`.
    fn online(&mut self) -> Parsed {
        let is = match self.word().kind {
            Kind::Sign("=") => true,
            Kind::Sign("!=") => false,
            _ => return Ok(Tree::Online(true)),
        };
        self.at += 1;
        let online = if self.is_keyword("true") {
            is
        } else if self.is_keyword("false") {
            !is
        } else {
            return Err(self.wrong("true or false"));
        };
        self.at += 1;
        Ok(Tree::Online(online))
    }

    fn of_text(&mut self, field: TextField) -> Parsed {
        let how = self.how("=, !=, ~ or in", |how| !how.orders())?;
        let may_lack = matches!(field, TextField::Tag(_));
        Ok(Tree::Text(field, self.text_test(&how, may_lack)?))
    }

    /// What stands behind the sign.
    fn text_test(&mut self, how: &How, may_lack: bool) -> Parsed<TextTest> {
        Ok(match how {
            How::Compare(Comparison::Is) if may_lack && self.takes_none() => TextTest::Absent,
            How::Compare(Comparison::IsNot) if may_lack && self.takes_none() => TextTest::Present,
            How::Compare(Comparison::Is) => TextTest::Is(self.value("a value", text)?),
            How::Compare(_) => TextTest::IsNot(self.value("a value", text)?),
            How::Contains => TextTest::Contains(self.value("a value", text)?),
            How::In => TextTest::In(self.list("a value", text)?),
        })
    }

    fn of_field(&mut self) -> Parsed<FieldTest> {
        let how = self.how("=, !=, <, <=, >, >=, ~ or in", |_| true)?;
        match how {
            How::Compare(order) if how.orders() => Ok(FieldTest::Number(order, self.value(NUMBER, number)?)),
            _ => Ok(FieldTest::Text(self.text_test(&how, true)?)),
        }
    }

    fn of_location(&mut self) -> Parsed<PlaceTest> {
        const AREA: &str = "circle(LATITUDE, LONGITUDE, KILOMETRES) or polygon(LATITUDE, LONGITUDE, ...)";
        match self.how("in, = none or != none", |how| !how.orders() && !matches!(how, How::Contains))? {
            How::Compare(Comparison::Is) if self.takes_none() => Ok(PlaceTest::Absent),
            How::Compare(Comparison::IsNot) if self.takes_none() => Ok(PlaceTest::Present),
            How::In if self.is_keyword("circle") => self.circle().map(PlaceTest::In),
            How::In if self.is_keyword("polygon") => self.polygon().map(PlaceTest::In),
            How::In => Err(self.wrong(AREA)),
            How::Compare(_) | How::Contains => Err(self.wrong("none")),
        }
    }

    fn circle(&mut self) -> Parsed<Area> {
        self.at += 1;
        self.sign("(", "`(`")?;
        let centre = self.point()?;
        self.sign(",", "`,` and the kilometres around it")?;
        let radius = |text: &str| number(text).filter(|km| km.0 > 0.0 && km.0 <= FARTHEST_KM);
        let km = self.value("kilometres, above 0 and at most 20016", radius)?;
        self.sign(")", "`)`")?;
        Ok(Area::Circle(centre, km))
    }

    fn polygon(&mut self) -> Parsed<Area> {
        self.at += 1;
        self.sign("(", "`(`")?;
        let mut corners = vec![self.point()?];
        while self.is_sign(",") && corners.len() < MAX_CORNERS {
            self.at += 1;
            corners.push(self.point()?);
        }
        if corners.len() < 3 {
            return Err(self.wrong("`,` and another corner: a polygon has three or more"));
        }
        let expected = format!("`)`, or `,` and another corner: at most {MAX_CORNERS}");
        self.sign(")", &expected)?;
        Ok(Area::Polygon(corners))
    }

    fn point(&mut self) -> Parsed<Point> {
        let latitude = self.value("a latitude from -90 to 90", between(-90.0, 90.0))?;
        self.sign(",", "`,` and the longitude")?;
        let longitude = self.value("a longitude from -180 to 180", between(-180.0, 180.0))?;
        Ok(Point { latitude, longitude })
    }

    fn of_version(&mut self) -> Parsed<VersionTest> {
        const VERSION: &str = "a version, 1 to 64 of the characters A-Z a-z 0-9 . _ : + -";
        let version = |text: &str| Version::new(text).ok();
        Ok(match self.how("=, !=, <, <=, >, >=, ~ or in", |_| true)? {
            How::Compare(Comparison::Is) if self.takes_none() => VersionTest::Absent,
            How::Compare(Comparison::IsNot) if self.takes_none() => VersionTest::Present,
            How::Compare(how) => VersionTest::Compare(how, self.value(VERSION, version)?),
            How::Contains => VersionTest::Contains(self.value("a value", text)?),
            How::In => VersionTest::In(self.list(VERSION, version)?),
        })
    }

    fn of_number(&mut self) -> Parsed<NumberTest> {
        Ok(match self.how("=, !=, <, <=, >, >= or in", |how| !matches!(how, How::Contains))? {
            How::Compare(Comparison::Is) if self.takes_none() => NumberTest::Absent,
            How::Compare(Comparison::IsNot) if self.takes_none() => NumberTest::Present,
            How::Compare(how) => NumberTest::Compare(how, self.value(NUMBER, number)?),
            How::In | How::Contains => NumberTest::In(self.list(NUMBER, number)?),
        })
    }

    /// A sign or `in`, if the field knows it.
    fn how(&mut self, expected: &str, known: impl Fn(&How) -> bool) -> Parsed<How> {
        let found = match &self.word().kind {
            Kind::Sign("~") => Some(How::Contains),
            Kind::Sign(sign) => {
                Comparison::ALL.into_iter().find(|(name, _)| name == sign).map(|(_, how)| How::Compare(how))
            }
            Kind::Word(_) if self.is_keyword("in") => Some(How::In),
            _ => None,
        };
        let how = found.filter(known).ok_or_else(|| self.wrong(expected))?;
        self.at += 1;
        Ok(how)
    }

    fn takes_none(&mut self) -> bool {
        let none = self.is_keyword("none");
        self.at += usize::from(none);
        none
    }

    fn value<T>(&mut self, expected: &str, read: impl Fn(&str) -> Option<T>) -> Parsed<T> {
        let word = self.next();
        let (value, hint) = match &word.kind {
            Kind::Quoted(text) => (read(text), ""),
            Kind::Word(text) if RESERVED.contains(&text.to_ascii_lowercase().as_str()) => {
                (None, ", in quotes if this word is meant")
            }
            Kind::Word(text) => (read(text), ""),
            Kind::Sign(_) | Kind::End => (None, ""),
        };
        value.ok_or_else(|| FilterError::new(self.text, &word, &format!("{expected}{hint}")))
    }

    fn list<T>(&mut self, expected: &str, read: impl Fn(&str) -> Option<T>) -> Parsed<Vec<T>> {
        self.sign("(", "`(`")?;
        let mut values = vec![self.value(expected, &read)?];
        while self.is_sign(",") {
            self.at += 1;
            values.push(self.value(expected, &read)?);
        }
        self.sign(")", "`,` or `)`")?;
        Ok(values)
    }
}

impl How {
    /// Whether it is about what is above and below.
    const fn orders(&self) -> bool {
        matches!(self, Self::Compare(how) if !matches!(how, Comparison::Is | Comparison::IsNot))
    }
}

fn number(text: &str) -> Option<Finite> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Finite)
}

fn between(least: f64, most: f64) -> impl Fn(&str) -> Option<Finite> {
    move |text| number(text).filter(|number| (least..=most).contains(&number.0))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside readers that refuse")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}
