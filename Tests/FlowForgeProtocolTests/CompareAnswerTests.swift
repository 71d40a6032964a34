import FlowForgeProtocol
import Foundation
import Testing

/// What an agent says of two snapshots is counts, from a machine that may be anybody's by now.
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
        #expect(answer.keys?.matchPercent == 40)
        #expect(try decode(String(decoding: WireCoding.encode(answer), as: UTF8.self)) == answer)
    }

    @Test(arguments: [
        #""leftRows":3"#, #""rightRows":4"#, #""both":2"#, #""onlyLeft":1"#, #""onlyRight":2"#, #""leftDuplicates":0"#,
        #""rightDuplicates":0"#, #""compared":2"#, #""matchPercent":50"#,
    ])
    func `a count below nothing is refused`(member: String) throws {
        let parts = member.split(separator: ":")
        for number in ["-1", "-9223372036854775808"] {
            let text = Self.good.replacing(member, with: "\(parts[0]):\(number)")
            try #require(text != Self.good)
            #expect(throws: (any Error).self, "\(member) as \(number)") { _ = try decode(text) }
        }
    }

    @Test func `keys as many as a number holds have a percentage, or are refused`() throws {
        var text = Self.good
        for member in [#""both":2"#, #""onlyLeft":1"#, #""onlyRight":2"#] {
            text = text.replacing(member, with: "\(member.dropLast())9223372036854775807")
        }
        try #require(text != Self.good)
        guard let answer = try? decode(text) else { return }
        let percent = try #require(answer.keys?.matchPercent)
        #expect((0...100).contains(percent))
    }
}
