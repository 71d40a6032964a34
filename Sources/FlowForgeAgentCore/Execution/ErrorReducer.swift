import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// Makes the message of an engine's error that may leave the agent. Engines quote values of the data
/// in their errors; a quoted text or a number survives only if the author wrote it: if it occurs in
/// the task's SQL, its manifest or the names of its columns.
struct ErrorReducer: Sendable {
    private let vocabulary: String
    private let raisesErrors: Bool
    /// The longest message, in characters.
    private static let limit = 600

    /// `known`: texts whose words may be quoted.
    init(known: [String]) {
        vocabulary = known.joined(separator: "\n").lowercased()
        raisesErrors = vocabulary.contains(#/\berror\s*\(/#)
    }

    func reduce(_ failure: DuckDBFailure) -> String {
        // What error(…) raises is whatever the SQL put together.
        if raisesErrors, failure.type == "Invalid Input" { return "\(failure.type) Error (the text stays on the agent)" }
        if failure.type == "Out of Memory" { return "Out of Memory Error: \(Self.firstSentence(failure.message))" }
        // These come before the first row is read.
        let knowsRows = !["Binder", "Catalog", "Parser"].contains(failure.type)
        return "\(failure.type) Error: \(reduce(failure.message, knowsRows: knowsRows))"
    }

    /// The text without what might be a value. Where the engine `knowsRows` a value may also stand
    /// there unquoted, so only words of the author and those that engines use survive.
    func reduce(_ text: String, knowsRows: Bool = true) -> String {
        var text = Self.cut(text)
        for quote: Character in ["'", "\"", "`"] { text = hideQuoted(in: text, by: quote) }
        text = hideNumbers(in: text)
        if knowsRows { text = hideWords(in: text) }
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count > Self.limit ? line.prefix(Self.limit) + "…" : line
    }

    /// DuckDB appends the offending line of a file, or of the SQL, in these words.
    private static func cut(_ text: String) -> String {
        var end = text.endIndex
        for marker in ["\nLINE ", "Original Line", "\n  file", "Possible fixes", "Possible solutions", " Input:", "\nCSV"] {
            if let found = text.range(of: marker) { end = min(end, found.lowerBound) }
        }
        return String(text[..<end])
    }

    private static func firstSentence(_ text: String) -> String {
        String(text.split(whereSeparator: \.isNewline).first ?? "")
    }

    /// Where one quoted piece is not known, everything up to the last quote goes with it: a value may
    /// hold the quote itself.
    private func hideQuoted(in text: String, by quote: Character) -> String {
        let pieces = text.split(separator: quote, omittingEmptySubsequences: false)
        guard pieces.count > 1 else { return text }
        var kept: [Substring] = [pieces[0]]
        var index = 1
        while index < pieces.count {
            let closed = index + 1 < pieces.count
            if closed, isKnown(pieces[index]) {
                kept += [pieces[index], pieces[index + 1]]
                index += 2
            } else {
                let tail = closed ? pieces[pieces.count - 1] : ""
                return kept.joined(separator: String(quote)) + "\(quote)…\(quote)" + tail
            }
        }
        return kept.joined(separator: String(quote))
    }

    private func hideNumbers(in text: String) -> String {
        text.replacing(#/[+\-]?\d[\d.,:eE+\-]*/#) { match in
            let number = match.output
            // INT32 and DECIMAL(18,2) are types, not values.
            if let before = text[..<match.range.lowerBound].last, before.isLetter || before == "_" { return String(number) }
            return isKnown(number.trimmingPrefix("-").prefix { $0.isNumber || $0 == "." }) ? String(number) : "…"
        }
    }

    private func hideWords(in text: String) -> String {
        text.replacing(#/[\p{L}\p{N}_]+/#) { match in
            Self.engineWords.contains(match.output.lowercased()) || isKnown(match.output) ? String(match.output) : "…"
        }
    }

    private func isKnown(_ piece: some StringProtocol) -> Bool {
        let wanted = piece.lowercased()
        guard !wanted.isEmpty else { return true }
        var rest = vocabulary[...]
        // A word of its own, not a part of another.
        while let found = rest.range(of: wanted) {
            let before = vocabulary[..<found.lowerBound].last
            let after = vocabulary[found.upperBound...].first
            if !Self.continues(before), !Self.continues(after) { return true }
            rest = rest[found.upperBound...]
        }
        return false
    }

    private static func continues(_ character: Character?) -> Bool {
        character.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false
    }

    /// Words of DuckDB's own messages about values, and its types.
    private static let engineWords: Set<String> = Set(
        """
        a access add addition after aggregate all allocate already an and any argument arguments array as at back be before \
        because been bigint bit blob block bool boolean bounds buffer but by bytes calculate can cannot cast casting char \
        character characters column columns constraint conversion convert converted corrupt could data date day days decimal \
        deserialize device digits directory disk division do does double duplicate element elements empty end enum error exceeded \
        exceeds expected expression expressions extract factor failed field file float for format found free from full function \
        group had has have hour hours hugeint if in index input int int128 int16 int32 int64 int8 integer interval into invalid \
        io is it its json key keys large left length limit list literal logarithm long lower malformed map match max maximum \
        memory mib min minimum minute missing month more multiple multiplication must name negative no not null number numeric of \
        offset on one only open operation option or order out overflow parameter parse parser partition pattern point position \
        power precision query range read real regex regular replace result returned right row rows scale second seconds size \
        smallint source space specifier statement string struct subquery subtraction syntax table than that the there this time \
        timestamp timestamptz timezone tinyint to too truncate type types ubigint uhugeint uint128 uint16 uint32 uint64 uint8 \
        uinteger unexpected union unknown unsupported upper used usmallint using utf8 utinyint uuid valid value values varchar when \
        which while with within write year years zero zone
        """.split(separator: " ").map(String.init))
}
