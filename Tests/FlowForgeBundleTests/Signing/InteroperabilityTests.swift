import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

/// Against securesystemslib, the implementation of DSSE that in-toto and TUF use.
struct InteroperabilityTests {
    static let script = Sample.root.appending(path: "Tests/FlowForgeBundleTests/Signing/dsse.py").path

    @Test(arguments: VerifyingKey.Algorithm.allCases)
    func `another implementation verifies what we sign, and refuses it once changed`(algorithm: VerifyingKey.Algorithm)
        async throws
    {
        let python = try tool("python/bin/python")
        try await withTemporaryFolder { folder in
            let key = SigningKey(algorithm)
            try key.write(to: folder.appending(path: "key"))
            let packed = try BundleBuilder.build(Sample.files())
            let provenance = Provenance(
                bundle: packed.reference, source: nil, started: Date(timeIntervalSince1970: 1),
                finished: Date(timeIntervalSince1970: 2))
            let attestation = try Attestation(provenance.statement, of: packed.descriptor, signedWith: [key])
            let file = folder.appending(path: "envelope.json")
            try attestation.envelopeBytes.write(to: file)
            let pub = folder.appending(path: "key.pub").path
            let said = try await run(python, [Self.script, "verify", file.path, pub])
            let read = try WireCoding.decode(JSONValue.self, from: Data(said.utf8))
            #expect(read["_type"] == "https://in-toto.io/Statement/v1")
            #expect(read["predicateType"] == "https://slsa.dev/provenance/v1")
            let subject = try #require(read["subject"]?.array?.first)
            #expect(subject["name"] == "sample@1.0.0")
            #expect(subject["digest"]?["sha256"]?.string == String(packed.digest.dropFirst(7)))

            var changed = try EnvelopeTests.json(attestation.envelope)
            changed["payload"] = Data("{}".utf8).base64EncodedString()
            try JSONSerialization.data(withJSONObject: changed).write(to: file)
            let refused = try await failure(of: python, [Self.script, "verify", file.path, pub])
            #expect(refused?.contains("Accepted signatures do not match threshold") == true)
        }
    }

    @Test(arguments: VerifyingKey.Algorithm.allCases)
    func `what another implementation signs is accepted, whatever it calls the key`(algorithm: VerifyingKey.Algorithm)
        async throws
    {
        let python = try tool("python/bin/python")
        try await withTemporaryFolder { folder in
            let key = SigningKey(algorithm)
            try key.write(to: folder.appending(path: "key"))
            let packed = try BundleBuilder.build(Sample.files())
            let statement = InTotoStatement(
                subject: .init(packed.reference), predicateType: Provenance.predicateType, predicate: [:])
            let payload = folder.appending(path: "payload")
            try WireCoding.encode(statement).write(to: payload)
            let out = folder.appending(path: "envelope.json")
            _ = try await run(python, [Self.script, "sign", folder.appending(path: "key").path, payload.path, out.path])
            let attestation = try Attestation(envelope: try Data(contentsOf: out), of: packed.descriptor)
            #expect(attestation.envelope.claimedKeyIDs != [key.verifying.id])
            let signers = try attestation.verify(
                subject: packed.digest, predicateTypes: SignaturePolicy.accepted, trusting: EnvelopeTests.ring(key))
            #expect(signers.map(\.key) == [key.verifying])
            #expect(throws: SignatureRefusal.self) {
                try attestation.verify(
                    subject: packed.digest, predicateTypes: SignaturePolicy.accepted,
                    trusting: EnvelopeTests.ring(SigningKey(algorithm)))
            }
        }
    }
}
