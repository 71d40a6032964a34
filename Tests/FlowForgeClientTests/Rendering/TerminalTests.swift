import Foundation
import Testing

@testable import flowforge

@Suite struct TerminalTests {
    @Test(arguments: [
        (0, "0 ms"), (0.42, "420 ms"), (0.9996, "1.0 s"), (3.24, "3.2 s"), (9.96, "10 s"), (59.6, "1 m 00 s"), (125, "2 m 05 s"),
        (3720, "1 h 02 m"), (90_000, "1 d 1 h"), (-1, "0 s"), (.nan, "0 s"), (.infinity, "0 s"),
    ]) func `durations read as people say them`(_ seconds: Double, _ text: String) {
        #expect(Figures.duration(seconds: seconds) == text)
    }

    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1449, "1.4 kB"), (999_949, "1.0 MB"), (23_400_000, "23 MB"),
        (Int64.max, "9 EB"),
    ]) func `sizes are in powers of a thousand`(_ bytes: Int64, _ text: String) {
        #expect(Figures.bytes(bytes) == text)
    }

    @Test func `counts are grouped and nouns agree`() {
        #expect(Figures.count(336_776) == "336,776")
        #expect(Figures.count(-1000) == "-1,000")
        #expect(Figures.count(Int64.min) == "-9,223,372,036,854,775,808")
        #expect([0, 1, 2].map { Figures.count($0, "row") } == ["0 rows", "1 row", "2 rows"])
    }

    @Test func `times are told from now`() {
        let now = Samples.now
        let text = { (seconds: Double) in Figures.relative(now.addingTimeInterval(seconds), to: now) }
        #expect(
            [0, -12, -300, -7200, -864_000, 3599].map(text) == ["now", "12 s ago", "5 m ago", "2 h ago", "10 d ago", "in 59 m"])
        #expect(Figures.time(Date(timeIntervalSince1970: 0), in: .gmt) == "1970-01-01 00:00:00")
    }

    @Test func `a table lines up and cuts only what may be cut, to the width that there is`() {
        var table = Table([.init("NAME", flexible: true), .init("N", right: true), .init("STATE")])
        table.rows = [["a-very-long-name-of-a-thing", "1", "ok"], ["b", "1,000", "failed"]]
        #expect(
            table.render(.plain) == """
                NAME                             N  STATE
                a-very-long-name-of-a-thing      1  ok
                b                            1,000  failed
                """)
        let narrow = table.render(.plain, width: 30).split(separator: "\n")
        #expect(narrow.allSatisfy { $0.count <= 30 })
        #expect(narrow[1].hasPrefix("a-very-long-n") && narrow[1].contains("…"))
        // Too narrow for anything: still every row, and no loop without end.
        #expect(table.render(.plain, width: 3).split(separator: "\n").count == 3)
    }

    @Test func `colour takes no room and is ended where text is cut`() {
        let style = Style(colour: true, unicode: true)
        let red = style.paint("abcdef", .red)
        #expect(TextWidth.of(red) == 6)
        let cut = TextWidth.cut(red, to: 4, ellipsis: "…")
        #expect(TextWidth.of(cut) == 4 && cut.hasSuffix("\u{1B}[0m"))
        #expect(TextWidth.of("日本") == 4)
        #expect(TextWidth.cut("日本語", to: 4, ellipsis: "…") == "日…")
        #expect(Style.plain.paint("x", .red) == "x")
    }

    @Test func `a tree is drawn with branches, and in ASCII where nothing else is shown`() {
        let tree = Tree(
            label: "root",
            children: [Tree(label: "a", notes: ["note"], children: [Tree(label: "b")]), Tree(label: "c", notes: ["end"])])
        #expect(tree.lines(.plain) == ["root", "├─ a", "│  │  note", "│  └─ b", "└─ c", "      end"])
        #expect(tree.lines(.ascii) == ["root", "|- a", "|  |  note", "|  `- b", "`- c", "      end"])
    }

    @Test func `what others wrote cannot steer the terminal`() {
        #expect(Printable.text("a\u{1B}[2Jb\u{07}\r\n\tc", keepingColour: true) == "a^[[2Jb^G^M\n\tc")
        #expect(Printable.text("\u{1B}[31mred\u{1B}[0m", keepingColour: true) == "\u{1B}[31mred\u{1B}[0m")
        #expect(Printable.text("\u{1B}[31mred", keepingColour: false) == "^[[31mred")
        #expect(Printable.text("\u{1B}]0;title\u{07}", keepingColour: true) == "^[]0;title^G")
        #expect(
            !Printable.text("a\u{202E}b\u{9B}31m", keepingColour: true).unicodeScalars.contains {
                [0x202E, 0x9B].contains($0.value)
            })
        #expect(Printable.line("a\nb\tc\u{1B}[1m") == "a b c^[[1m")
    }

    @Test(arguments: [("90", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)]) func `times to live are read`(
        _ text: String, _ seconds: Int
    ) {
        #expect(TimeToLive(argument: text)?.seconds == seconds)
    }

    @Test(arguments: ["", "h", "1w", "-1h", "0", "1.5h", "999999999999999999d", "１h"]) func `other times to live are refused`(
        _ text: String
    ) {
        #expect(TimeToLive(argument: text) == nil)
    }

    @Test func `assignments keep whatever follows the first equals sign`() throws {
        let assignment = try #require(Assignment(argument: "where=a=b "))
        #expect(assignment.name == "where" && assignment.value == "a=b ")
        #expect(Assignment(argument: "=x") == nil && Assignment(argument: "x") == nil)
        #expect(throws: CommandError.self) { try [assignment, assignment].values(option: "--param") }
    }
}
