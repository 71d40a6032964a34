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
        return "\(failure.type) Error: \(reduce(failure.message))"
    }

    /// The text without what might be a value.
    func reduce(_ text: String) -> String {
        var text = Self.cut(text)
        for quote: Character in ["'", "\"", "`"] { text = hideQuoted(in: text, by: quote) }
        text = hideNumbers(in: text)
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
}
