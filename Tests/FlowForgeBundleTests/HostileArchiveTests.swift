import FlowForgeProtocol
import FlowForgeTestValues
import Foundation
import Testing

@testable import FlowForgeBundle

/// Layers that no builder of ours wrote.
struct HostileArchiveTests {
    /// A layer of one file whose header was tampered with; the checksum is made right again.
    func layer(path: String = "a.sql", contents: Data = Data("x".utf8), _ tamper: (inout [UInt8]) -> Void) -> Data {
        var header = TarHeader(path: path, size: contents.count, isExecutable: false).encoded().map(Array.init) ?? []
        tamper(&header)
        for index in 148..<156 { header[index] = UInt8(ascii: " ") }
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        let field = Array((String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8)
        header.replaceSubrange(148..<156, with: field)
        return Data(header) + contents + Data(count: (512 - contents.count % 512) % 512) + Data(count: 1024)
    }

    func put(_ text: String, at offset: Int, in header: inout [UInt8], length: Int = 100) {
        let bytes = Array(text.utf8)
        for index in 0..<length { header[offset + index] = index < bytes.count ? bytes[index] : 0 }
    }

    func refusal(_ layer: Data) -> String? {
        do {
            _ = try BundleArchive.files(in: [layer])
            return nil
        } catch {
            return error.message
        }
    }

    @Test func `the untampered layer is read`() {
        #expect(refusal(layer { _ in }) == nil)
    }

    @Test(arguments: [
        "../evil", "a/../../evil", "/etc/passwd", "a//b", "./a", "a/.", "", "a\u{1}b", "a b", "a\\b", "C:x", "ä", "con.", "a\nb",
    ])
    func `a path out of the bundle or with an odd character is refused`(path: String) {
        #expect(refusal(layer { put(path, at: 0, in: &$0) }) != nil)
    }

    @Test func `traversal in the prefix is refused`() {
        #expect(refusal(layer { put("../..", at: 345, in: &$0, length: 155) })?.contains("..") == true)
    }

    @Test(
        arguments: zip(
            "123456SxgLKV7\0",
            [
                "link", "link", "device", "device", "folder", "device", "sparse", "extended", "extended", "extended", "extended",
                "unknown", "unknown", "unknown",
            ]))
    func `links, devices, folders, sparse files and extended headers are refused by name`(type: Character, word: String) {
        #expect(refusal(layer { $0[156] = type.asciiValue ?? 0 })?.contains(word) == true)
    }

    @Test func `another owner, time, mode or magic is refused`() {
        #expect(refusal(layer { put("0001750", at: 108, in: &$0, length: 8) }) != nil)
        #expect(refusal(layer { put("14700000000", at: 136, in: &$0, length: 12) }) != nil)
        #expect(refusal(layer { put("0004755", at: 100, in: &$0, length: 8) }) != nil)
        #expect(refusal(layer { put("0000777", at: 100, in: &$0, length: 8) }) != nil)
        #expect(refusal(layer { put("ustar  ", at: 257, in: &$0, length: 8) }) != nil)
        #expect(refusal(layer { put("root", at: 265, in: &$0, length: 32) }) != nil)
        #expect(refusal(layer { $0[511] = 1 }) != nil)
        #expect(refusal(layer { put("evil", at: 157, in: &$0) }) != nil)
    }

    @Test func `sizes that lie are refused`() {
        #expect(refusal(layer { put("00000002000", at: 124, in: &$0, length: 12) }) != nil)
        #expect(refusal(layer { put("-0000000001", at: 124, in: &$0, length: 12) }) != nil)
        #expect(refusal(layer { put("77777777777", at: 124, in: &$0, length: 12) })?.contains("16 MiB") == true)
        #expect(refusal(layer { $0[124] = 0x80 }) != nil)
        #expect(refusal(layer { put("xyz", at: 124, in: &$0, length: 12) }) != nil)
    }

    @Test func `a wrong checksum is refused`() {
        var bytes = layer { _ in }
        bytes[148] = UInt8(ascii: "7")
        #expect(refusal(bytes) != nil)
    }

    @Test func `truncated, padded and trailing bytes are refused`() {
        let good = layer { _ in }
        for count in [0, 1, 511, 512, 513, 1024, good.count - 512, good.count - 1] {
            #expect(refusal(good.prefix(count))?.contains("cut off") == true, "\(count)")
        }
        #expect(refusal(good + Data(count: 512)) != nil)
        var padded = good
        padded[600] = 1
        #expect(refusal(padded) != nil)
    }

    @Test func `files twice, out of order, or in each other's way are refused`() throws {
        func entry(_ path: String) -> Data {
            (TarHeader(path: path, size: 1, isExecutable: false).encoded() ?? Data()) + Data("x".utf8) + Data(count: 511)
        }
        let end = Data(count: 1024)
        #expect(refusal(entry("a") + entry("b") + end) == nil)
        #expect(refusal(entry("a") + entry("a") + end) != nil)
        #expect(refusal(entry("b") + entry("a") + end) != nil)
        #expect(refusal(entry("a") + entry("a/b") + end) != nil)
        #expect(refusal(entry("A") + entry("a") + end) != nil)
        #expect(refusal(entry("A") + entry("a/b") + end) != nil)
    }

    @Test func `random bytes are refused, never trusted and never fatal`() {
        let good = layer { _ in }
        for seed in 0..<2000 as Range<UInt64> {
            var generator = SeededNumbers(seed: seed)
            var bytes = good
            let index = Int.random(in: 0..<512, using: &generator)
            let before = bytes[index]
            bytes[index] = UInt8.random(in: 0...255, using: &generator)
            if bytes[index] != before { #expect(refusal(bytes) != nil, "seed \(seed): byte \(index)") }
        }
    }
}
