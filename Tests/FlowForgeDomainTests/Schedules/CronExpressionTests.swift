import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeTestValues
import Foundation
import Testing

@Suite struct CronExpressionTests {
    @Test(arguments: [
        ("*/15 * * * *", "*/15 * * * *"),
        ("  0\t9   * * MON-fri ", "0 9 * * 1-5"),
        ("5/15 8-18/2 1,15,L jan,DEC ?", "5/15 8-18/2 1,15,L 1,12 *"),
        ("0 0 LW,15W,L-3 * *", "0 0 LW,15W,L-3 * *"),
        ("0 0 ? * friL,2L,MON#2,sun#5", "0 0 * * 5L,2L,1#2,0#5"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 5-7"),
        ("0 0 * * SAT-SUN", "0 0 * * 6-7"),
        ("0 0 * * 7L,7#1", "0 0 * * 0L,0#1"),
        ("00 007 01 1 *", "0 7 1 1 *"),
        ("@hourly", "0 * * * *"), ("@DAILY", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"), ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"),
        ("0 0 29 2 *", "0 0 29 2 *"), ("0 0 30 2 1", "0 0 30 2 1"), ("0 0 L-28 2 *", "0 0 L-28 2 *"),
    ])
    func `what is allowed has one canonical spelling`(text: String, canonical: String) throws {
        let cron = try CronExpression(text)
        #expect(cron.description == canonical)
        #expect(try CronExpression(canonical) == cron)
        let coded = try WireCoding.decode(CronExpression.self, from: WireCoding.encode(cron))
        #expect(coded == cron && coded.text == cron.text)
    }

    /// Each with the part that it is wrong in, what the message quotes, and a word of the hint.
    @Test(arguments: [
        ("60 * * * *", "minute", "60", "0 to 59"),
        ("* 24 * * *", "hour", "24", "0 to 23"),
        ("* * 0 * *", "day of month", "0", "1 to 31"),
        ("* * 32 * *", "day of month", "32", "1 to 31"),
        ("* * * 13 *", "month", "13", "1 to 12"),
        ("* * * * 8", "day of week", "8", "0 to 7"),
        ("* * * * MNO", "day of week", "MNO", "'MON'"),
        ("* * * FEBRUARY *", "month", "FEBRUARY", "JAN-DEC"),
        ("MON * * * *", "minute", "MON", "0-59"),
        ("*/0 * * * *", "minute", "*/0", "1 to 59"),
        ("*/90 * * * *", "minute", "*/90", "interval"),
        ("*/x * * * *", "minute", "*/X", "0-59"),
        ("1/2/3 * * * *", "minute", "1/2/3", "0-59"),
        ("1-2-3 * * * *", "minute", "1-2-3", "0-59"),
        ("5-1 * * * *", "minute", "5-1", "two ranges"),
        ("-5 * * * *", "minute", "", "0-59"),
        ("1, * * * *", "minute", "1,", "0-59"),
        (",, * * * *", "minute", ",,", "0-59"),
        ("* ? * * *", "hour", "?", "0-23"),
        ("* * * L *", "month", "L", "JAN-DEC"),
        ("+5 * * * *", "minute", "+5", "0-59"),
        ("1.5 * * * *", "minute", "1.5", "0-59"),
        ("0x10 * * * *", "minute", "0X10", "0-59"),
        ("* * L-0 * *", "day of month", "L-0", "L-30"),
        ("* * L-31 * *", "day of month", "L-31", "L-30"),
        ("* * L-+3 * *", "day of month", "L-+3", "L-30"),
        ("* * L-3W * *", "day of month", "L-3W", "L-30"),
        ("* * 1-5W * *", "day of month", "1-5", "15W"),
        ("* * W * *", "day of month", "", "15W"),
        ("* * * * L", "day of week", "L", "last Saturday"),
        ("* * * * MON#0", "day of week", "MON#0", "MON#2"),
        ("* * * * MON#6", "day of week", "MON#6", "MON#2"),
        ("* * * * MON#1#2", "day of week", "MON#1#2", "MON#2"),
        ("* * * * #2", "day of week", "", "MON#2"),
        ("H * * * *", "minute", "H", "0-59"),
        ("99999999999999999999 * * * *", "minute", "99999999999999999999", "0 to 59"),
        ("*/99999999999999999999 * * * *", "minute", "*/99999999999999999999", "1 to 59"),
        ("* * * *", "cron", "* * * *", "minute hour"),
        ("0 * * * * *", "cron", "0 * * * * *", "seconds"),
        ("0 0 12 1/1 * ? *", "cron", "0 0 12 1/1 * ? *", "seconds"),
        ("TZ=Europe/London 0 9 * * *", "cron", "TZ=Europe/London 0 9 * * *", "zone field"),
        ("", "cron", "", "five fields"),
        (" \t ", "cron", "", "five fields"),
        ("@reboot", "cron", "@reboot", "by hand"),
        ("@every 5m", "cron", "@every 5m", "interval"),
        ("@dialy", "cron", "@dialy", "@daily"),
        ("@daily extra", "cron", "@daily extra", "@daily"),
        ("0 0 30 2 *", "cron", "0 0 30 2 *", "month"),
        ("0 0 31 4,6,9,11 *", "cron", "0 0 31 4,6,9,11 *", "month"),
        ("0 0 31W 2 ?", "cron", "0 0 31W 2 ?", "month"),
        ("0 0 L-29 2 *", "cron", "0 0 L-29 2 *", "month"),
        ("* * * * *\n", "cron", "* * * * *␣", "ASCII"),
        ("* * * * *\u{0}", "cron", "* * * * *␣", "ASCII"),
        ("٣ * * * *", "cron", "٣ * * * *", "ASCII"),
        ("１ * * * *", "cron", "１ * * * *", "ASCII"),
        ("* * * * *\u{a0}", "cron", "* * * * *\u{a0}", "ASCII"),
    ])
    func `what is not allowed is refused with its field, its text and what is`(
        text: String, part: String, found: String, hint: String
    ) {
        let fault = #expect(throws: ScheduleFault.self) { try CronExpression(text) }
        #expect(fault?.part == part)
        #expect(fault?.found == found)
        #expect(fault?.hint?.contains(hint) == true, "\(fault.map(\.description) ?? "")")
    }

    @Test func `ten megabytes are refused at once, with a short message`() {
        for text in [
            String(repeating: "1,", count: 5 << 20), String(repeating: "*/", count: 5 << 20),
            String(repeating: " ", count: 10 << 20),
        ] {
            var fault: ScheduleFault?
            let time = processorTime { fault = #expect(throws: ScheduleFault.self) { try CronExpression(text) } }
            #expect(time < .milliseconds(100))
            #expect((fault?.description.utf8.count ?? 0) < 200)
        }
    }

    @Test func `random text never traps, and what is accepted is understood again`() throws {
        var random = SeededNumbers(seed: 7)
        let alphabet = Array("0123456789*/-,?LW# @MONFRIJAN:%\u{7f}é")
        for _ in 0..<20_000 {
            let text = String((0..<Int.random(in: 0...24, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
            guard let cron = try? CronExpression(text) else { continue }
            #expect(try CronExpression(cron.description) == cron)
        }
        var accepted = 0
        for _ in 0..<2000 {
            let fields = (0..<5).map { _ in
                ["*", "*/5", "1", "1-5", "2/3", "L", "?", "5L", "1#1", "3W", "1,2"].randomElement(using: &random)!
            }
            guard let cron = try? CronExpression(fields.joined(separator: " ")) else { continue }
            accepted += 1
            #expect(try CronExpression(cron.description) == cron)
        }
        #expect(accepted > 50)
    }
}
