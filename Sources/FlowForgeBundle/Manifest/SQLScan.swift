/// A look at a SQL text that needs no engine: where it starts, whether it is one statement, and which
/// variables it asks for. Strings, quoted names and comments are passed over as DuckDB reads them.
/// Whether it is a valid SELECT is the engine's word.
struct SQLScan {
    struct Fault: Hashable {
        var message: String
        var hint: String
        var position: SourcePosition
    }

    private(set) var faults: [Fault] = []
    /// `getvariable('name')`, in the order of the text.
    private(set) var variables: [(name: String, position: SourcePosition)] = []

    /// The text without its comments and without white space that separates nothing: two texts of one
    /// code differ in formatting only. To compare, not to run.
    var code: String { String(decoding: kept, as: UTF8.self) }

    /// UTF-8. Plans look at every query of a bundle, and appending to a text one character at a time takes most of it.
    private var kept: [UInt8] = []
    private var lastKept: Unicode.Scalar?
    private let scalars: [Unicode.Scalar]
    private var index = 0
    private var line = 1
    private var lineStart = 0

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
        scan()
    }

    private var position: SourcePosition { SourcePosition(line: line, column: index - lineStart + 1) }

    private mutating func scan() {
        var firstWord: (text: String, position: SourcePosition)?
        var semicolon: SourcePosition?
        var isAfterStatement = false
        var isAfterGap = false
        while index < scalars.count {
            let scalar = scalars[index]
            if Self.isSpace(scalar) || skipComment() {
                isAfterGap = true
                if index < scalars.count, Self.isSpace(scalars[index]) { advance() }
                continue
            }
            if let semicolon, scalar != ";", !isAfterStatement {
                isAfterStatement = true
                faults.append(
                    Fault(
                        message: "a second statement follows this ';'",
                        hint: "a task is one SELECT; use CTEs (WITH …) or another task",
                        position: semicolon))
            }
            let start = index
            defer {
                if scalar != ";" { keep(start..<index, afterGap: isAfterGap) }
                isAfterGap = false
            }
            if scalar == ";" {
                semicolon = semicolon ?? position
                advance()
            } else if isWordStart(scalar) {
                let place = position
                let word = word()
                if firstWord == nil { firstWord = (text(word), place) }
                if word.count == 11, text(word).lowercased() == "getvariable" { readVariable(place) }
                let isEscaping = word.count == 1 && (scalar == "e" || scalar == "E")
                if isEscaping, index < scalars.count, scalars[index] == "'" { skipQuoted("'", escapes: true) }
            } else {
                if firstWord == nil, scalar != "(" { firstWord = (String(Character(scalar)), position) }
                skipToken(scalar)
            }
        }
        guard let firstWord else {
            faults.append(Fault(message: "there is no statement", hint: "write one SELECT", position: .init(line: 1, column: 1)))
            return
        }
        if !["select", "with", "from", "values"].contains(firstWord.text.lowercased()) {
            faults.append(
                Fault(
                    message: "the statement starts with '\(firstWord.text.prefix(40))'",
                    hint: "a task is a SELECT (or WITH …, FROM …, VALUES …); FlowForge writes its rows to the output",
                    position: firstWord.position))
        }
    }

    private mutating func keep(_ token: Range<Int>, afterGap: Bool) {
        // `a b`, `'a' 'b'` and `1 .5` are not `ab`, `'a''b'` and `1.5`.
        func isDigit(_ scalar: Unicode.Scalar) -> Bool { "0"..."9" ~= scalar }
        func mayJoin(_ one: Unicode.Scalar, _ other: Unicode.Scalar) -> Bool {
            func isText(_ scalar: Unicode.Scalar) -> Bool { isWordPart(scalar) || scalar == "'" || scalar == "\"" }
            return (isText(one) && isText(other)) || (one == "." && isDigit(other)) || (isDigit(one) && other == ".")
        }
        if afterGap, let lastKept, mayJoin(lastKept, scalars[token.lowerBound]) { kept.append(0x20) }
        for scalar in scalars[token] {
            if scalar.isASCII { kept.append(UInt8(truncatingIfNeeded: scalar.value)) } else { kept += scalar.utf8 }
        }
        lastKept = scalars[token].last
    }

    private mutating func skipToken(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "'", "\"": skipQuoted(scalar, escapes: false)
        case "$": if !skipDollarQuoted() { advance() }
        default: advance()
        }
    }

    private mutating func advance() {
        if scalars[index] == "\n" {
            line += 1
            lineStart = index + 1
        }
        index += 1
    }

    private func peek(_ offset: Int = 1) -> Unicode.Scalar? {
        index + offset < scalars.count ? scalars[index + offset] : nil
    }

    /// `-- …` to the end of the line, and `/* … */`, which nest.
    private mutating func skipComment() -> Bool {
        if scalars[index] == "-", peek() == "-" {
            while index < scalars.count, scalars[index] != "\n" { index += 1 }
            return true
        }
        guard scalars[index] == "/", peek() == "*" else { return false }
        let start = position
        var depth = 0
        repeat {
            if scalars[index] == "/", peek() == "*" {
                depth += 1
                index += 2
            } else if scalars[index] == "*", peek() == "/" {
                depth -= 1
                index += 2
            } else {
                advance()
            }
        } while depth > 0 && index < scalars.count
        if depth > 0 { unterminated("comment", start) }
        return true
    }

    private mutating func skipQuoted(_ quote: Unicode.Scalar, escapes: Bool) {
        let start = position
        advance()
        while index < scalars.count {
            if escapes, scalars[index] == "\\", peek() != nil {
                advance()
            } else if scalars[index] == quote {
                if peek() != quote {
                    advance()
                    return
                }
                advance()
            }
            advance()
        }
        unterminated(quote == "'" ? "string" : "quoted name", start)
    }

    /// `$tag$ … $tag$`
    private mutating func skipDollarQuoted() -> Bool {
        var end = index + 1
        while end < scalars.count, isWordPart(scalars[end]), scalars[end] != "$" { end += 1 }
        guard end < scalars.count, scalars[end] == "$" else { return false }
        let tag = Array(scalars[index...end])
        let start = position
        index = end + 1
        while index < scalars.count {
            if scalars[index...].starts(with: tag) {
                index += tag.count
                return true
            }
            advance()
        }
        unterminated("string", start)
        return true
    }

    private mutating func word() -> Range<Int> {
        let start = index
        while index < scalars.count, isWordPart(scalars[index]) { index += 1 }
        return start..<index
    }

    private func text(_ range: Range<Int>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[range])
        return String(text)
    }

    /// Only a literal name can be checked; another expression is left to the engine.
    private mutating func readVariable(_ start: SourcePosition) {
        var at = index
        func skipSpace() { while at < scalars.count, Self.isSpace(scalars[at]) { at += 1 } }
        skipSpace()
        guard at < scalars.count, scalars[at] == "(" else { return }
        at += 1
        skipSpace()
        guard at < scalars.count, scalars[at] == "'" else { return }
        var name = String.UnicodeScalarView()
        at += 1
        while at < scalars.count, scalars[at] != "'" {
            name.append(scalars[at])
            at += 1
        }
        variables.append((String(name), start))
    }

    // What Unicode says of ASCII is known without its tables, and plans look at every query of a bundle.
    private func isWordStart(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.isASCII else { return scalar.properties.isAlphabetic }
        return scalar == "_" || "a"..."z" ~= scalar || "A"..."Z" ~= scalar
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII ? scalar == " " || "\t"..."\r" ~= scalar : scalar.properties.isWhitespace
    }

    private func isWordPart(_ scalar: Unicode.Scalar) -> Bool {
        isWordStart(scalar) || scalar == "$" || (scalar.value >= 0x30 && scalar.value <= 0x39)
    }

    private mutating func unterminated(_ what: String, _ start: SourcePosition) {
        faults.append(Fault(message: "the \(what) that starts here has no end", hint: "close it", position: start))
    }
}
