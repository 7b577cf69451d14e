//! Names of functions without what compilers and runtimes add to them from one build or run to the next.

use std::borrow::Cow;

/// The name that counts.
pub(crate) fn cleaned<'a>(platform: &str, name: &'a str) -> Cow<'a, str> {
    match platform {
        "javascript" | "node" => javascript(name),
        "ruby" => name
            .strip_prefix("block ")
            .and_then(|rest| rest.rsplit_once("in "))
            .map_or(name, |(_, of)| of)
            .into(),
        "php" => match name.find("class@anonymous") {
            Some(at) => format!("{}class@anonymous{}", &name[..at], after_anonymous(&name[at..])).into(),
            None => name.into(),
        },
        "java" => java(name),
        "native" | "rust" | "c" | "cocoa" => native(name),
        "csharp" | "dotnet" => without_digits_in(name, "b__"),
        _ => name.into(),
    }
}

/// Of `Object.<anonymous>.render`, `render`; nothing of a function without a name.
fn javascript(name: &str) -> Cow<'_, str> {
    let name = name.trim_start_matches("async ").trim_start_matches("new ");
    let name = name.split(" [as ").next().unwrap_or(name);
    let last = name.rsplit(['.', '/']).next().unwrap_or(name);
    if matches!(last, "<anonymous>" | "anonymous" | "?" | "") { "".into() } else { last.into() }
}

fn after_anonymous(from: &str) -> &str {
    from.find("::").map_or("", |at| &from[at..])
}

/// `lambda$run$3`, `$$Lambda$14/0x1`, `$$EnhancerBySpringCGLIB$$1a2b`, `$Proxy42`: without their numbers.
fn java(name: &str) -> Cow<'_, str> {
    if !name.contains('$') && !name.contains("GeneratedMethodAccessor") {
        return name.into();
    }
    let generated = ["$$Lambda$", "CGLIB$$", "_$$_javassist", "GeneratedMethodAccessor", "$Proxy"];
    for mark in generated {
        if let Some(at) = name.find(mark) {
            return format!("{}<auto>", &name[..at + mark.len()]).into();
        }
    }
    match name.rsplit_once('$') {
        Some((before, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{before}$<auto>").into()
        }
        _ => name.into(),
    }
}

/// Without arguments, parameters of types, and Rust's hash.
fn native(name: &str) -> Cow<'_, str> {
    let name = match name.rsplit_once("::h") {
        Some((before, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            before
        }
        _ => name,
    };
    if !name.contains(['(', '<', '{']) {
        return name.into();
    }
    // `operator<` and the like would lose their meaning
    if name.contains("operator") {
        return name.split('(').next().unwrap_or(name).into();
    }
    let mut out = String::with_capacity(name.len());
    let mut depth = 0usize;
    for (at, char) in name.char_indices() {
        match char {
            // the receiver of a trait's method stands in front: <a::B as c::D>::run
            '<' if at == 0 => {}
            '<' => depth += 1,
            '>' if depth > 0 => depth -= 1,
            '>' => {}
            '(' if depth == 0 && at > 0 => break,
            _ if depth == 0 => out.push(char),
            _ => {}
        }
    }
    out.trim_end().to_owned().into()
}

/// `<Main>b__0_1` as `<Main>b__`.
fn without_digits_in<'a>(name: &'a str, mark: &str) -> Cow<'a, str> {
    match name.find(mark) {
        Some(at) => name[..at + mark.len()].into(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::cleaned;

    #[test]
    fn names_lose_what_differs_from_build_to_build() {
        for (platform, name, expected) in [
            ("python", "<lambda>", "<lambda>"),
            ("javascript", "Object.<anonymous>", ""),
            ("javascript", "async Shop.checkout", "checkout"),
            ("javascript", "Foo.bar [as baz]", "bar"),
            ("node", "new Order", "Order"),
            ("ruby", "block (2 levels) in run", "run"),
            ("ruby", "block in <main>", "<main>"),
            ("php", "App\\class@anonymous/srv/a.php:3$0::run", "App\\class@anonymous::run"),
            ("java", "lambda$run$3", "lambda$run$<auto>"),
            (
                "java",
                "com.acme.Shop$$EnhancerBySpringCGLIB$$1a2b3c",
                "com.acme.Shop$$EnhancerBySpringCGLIB$$<auto>",
            ),
            ("native", "shop::pay::h0123456789abcdef", "shop::pay"),
            ("native", "std::vector<int>::push_back(int const&)", "std::vector::push_back"),
            ("native", "<shop::Till as shop::Pay>::pay", "shop::Till as shop::Pay::pay"),
            ("csharp", "<Main>b__0_1", "<Main>b__"),
        ] {
            assert_eq!(cleaned(platform, name), expected, "{platform} {name}");
        }
    }
}
