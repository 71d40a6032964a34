import FlowForgeProtocol
import Foundation
import Testing

@Suite struct IDTests {
    @Test func `an id survives its text and its JSON`() throws {
        let id = ID<Run>.make()
        #expect(ID<Run>(id.description) == id)
        #expect(try WireCoding.decode([ID<Run>].self, from: WireCoding.encode([id])) == [id])
        #expect(id.description.hasPrefix("run_") && id.description.count == 30)
    }

    @Test func `ids sort by the time they were made`() {
        let early = ID<Lease>.make(at: Date(timeIntervalSince1970: 1_700_000_000))
        let late = ID<Lease>.make(at: Date(timeIntervalSince1970: 1_700_000_000.002))
        #expect(early < late)
        #expect(early.description < late.description)
    }

    @Test func `an id is a version 7 UUID`() {
        let id = ID<Attempt>.make(at: Date(timeIntervalSince1970: 1_645_557_742))
        let text = id.uuid.uuidString
        #expect(text.hasPrefix("017F22E2-79B0-7"), "RFC 9562 appendix A.6 has this time")
        #expect("89AB".contains(text[text.index(text.startIndex, offsetBy: 19)]))
    }

    @Test(arguments: [
        "", "run", "run_", "att_01k0000000000000000000000", "run_01k00000000000000000000000x", "run_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "run_0000000000000000000000000u", "run_00000000000000000000000000_", "RUN_00000000000000000000000000",
    ])
    func `what is no id of its kind is refused`(text: String) {
        #expect(ID<Run>(text) == nil)
        #expect(throws: DecodingError.self) { try WireCoding.decode([ID<Run>].self, from: WireCoding.encode([text])) }
    }
}

@Suite struct NameTests {
    @Test(arguments: [
        "silver", "silver.", ".flights", "silver.Flights", "silver.fl ights", "silver.a.b", "platinum.flights", "unknown.flights",
        "silver.1a", "silver.a'; DROP TABLE x; --", "silver.../etc", "silver.\u{202e}a",
        "silver." + String(repeating: "a", count: 64),
    ])
    func `what is no asset name is refused`(text: String) {
        #expect(AssetName(text) == nil)
    }

    @Test func `an asset name is its layer and its table`() throws {
        let name = try #require(AssetName("gold.airport_day"))
        #expect(name.layer == .gold && name.table == "airport_day")
        let keyed = try WireCoding.encode([name: 1])
        #expect(String(decoding: keyed, as: UTF8.self) == #"{"gold.airport_day":1}"#)
        #expect(try WireCoding.decode([AssetName: Int].self, from: keyed) == [name: 1])
    }

    @Test func `dashes are allowed only where asked for`() {
        #expect(isPlainName("nyc-flights", dashes: true))
        #expect(!isPlainName("nyc-flights"))
        #expect(!isPlainName("-a", dashes: true))
    }
}
