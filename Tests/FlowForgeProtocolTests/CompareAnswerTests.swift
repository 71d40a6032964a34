import FlowForgeProtocol
import Foundation
import Testing

/// What an agent says of the lake is counts, from a machine that may be anybody's by now.
@Suite struct CompareAnswerTests {
    private static let good = #"""
        {"leftRows":3,"rightRows":4,"keys":{"both":2,"onlyLeft":1,"onlyRight":2,"leftDuplicates":0,"rightDuplicates":0,
        "compared":2},"columns":[{"name":"a","leftType":"INTEGER","rightType":"INTEGER","matchPercent":50}]}
        """#

    private func decode(_ text: String) throws -> CompareAnswer {
        try WireCoding.decode(CompareAnswer.self, from: Data(text.utf8))
    }

    @Test func `a good answer is read`() throws {
        let answer = try decode(Self.good)
        #expect(answer.leftRows == 3 && answer.rightRows == 4)
        #expect(answer.keys?.matchPercent == 40 && answer.columns.map(\.matchPercent) == [50])
        let again = try decode(String(decoding: try WireCoding.encode(answer), as: UTF8.self))
        #expect(again == answer)
    }

    @Test(arguments: [
        #""leftRows":3"#, #""rightRows":4"#, #""both":2"#, #""onlyLeft":1"#, #""onlyRight":2"#, #""leftDuplicates":0"#,
        #""rightDuplicates":0"#, #""compared":2"#,
    ])
    func `a count below nothing is refused`(member: String) throws {
        let name = try #require(member.split(separator: ":").first)
        for number in ["-1", "-9223372036854775808"] {
            let text = Self.good.replacing(member, with: "\(name):\(number)")
            try #require(text != Self.good)
            #expect(throws: DecodingError.self, "\(name) as \(number)") { _ = try decode(text) }
        }
    }

    @Test func `a percentage is one`() throws {
        for number in ["-0.5", "100.5", "1e308"] {
            let text = Self.good.replacing(#""matchPercent":50"#, with: #""matchPercent":\#(number)"#)
            try #require(text != Self.good)
            #expect(throws: DecodingError.self, "\(number)") { _ = try decode(text) }
        }
        for number in ["0", "100"] {
            _ = try decode(Self.good.replacing(#""matchPercent":50"#, with: #""matchPercent":\#(number)"#))
        }
    }

    @Test func `keys as many as a number holds have a percentage`() throws {
        var text = Self.good
        for member in [#""both":2"#, #""onlyLeft":1"#, #""onlyRight":2"#] {
            text = text.replacing(member, with: "\(member.dropLast())9223372036854775807")
        }
        try #require(text != Self.good)
        let percent = try #require(try decode(text).keys?.matchPercent)
        #expect(abs(percent - 100.0 / 3) < 1e-6)
        let none = ComparedKeys(both: 0, onlyLeft: 0, onlyRight: 0, leftDuplicates: 0, rightDuplicates: 0, compared: 0)
        #expect(none.matchPercent == 100)
    }

    @Test func `fewer changed files than none are refused`() {
        let text = #"{"asset":"gold.t","state":"filesChanged","changedFiles":-1}"#
        #expect(throws: DecodingError.self) { try WireCoding.decode(InspectResult.self, from: Data(text.utf8)) }
    }
}
