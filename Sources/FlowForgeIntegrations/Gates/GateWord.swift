internal import FlowForgeProtocol
internal import Foundation

/// What another system says of a plan, in the answer to the question or posted later.
struct GateWord: Sendable, Hashable {
    /// The plan that it names.
    var plan: String?
    var passed: Bool
    /// 1 … ``longest`` bytes.
    var message: String

    /// Of a message, in bytes: what the record takes.
    static let longest = 1000

    /// Nothing where the body is no JSON object that says whether the plan may pass. A message that is too long
    /// is cut: what was decided counts, however much was said about it.
    init?(_ body: Data) {
        guard let answer = try? WireCoding.decode(GateAPI.Answer.self, from: body), let passed = answer.passed else {
            return nil
        }
        plan = answer.plan
        self.passed = passed
        let text = (answer.message ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
        message = text.isEmpty ? "no reason given" : Self.cut(text)
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > longest else { return text }
        let mark = "…"
        var end = text.utf8.index(text.startIndex, offsetBy: longest - mark.utf8.count)
        // Not in the midst of a character's bytes.
        while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        return String(text[..<end]) + mark
    }
}
