/// Whose signatures a bundle must bear.
public struct SignaturePolicy: Sendable, Hashable {
    public var keys: KeyRing
    /// Without it, what is not signed is accepted, and what is signed badly is not counted as signed.
    public var isRequired: Bool

    public init(keys: KeyRing = KeyRing(), isRequired: Bool = false) {
        self.keys = keys
        self.isRequired = isRequired
    }
}

extension Attestation {
    /// The trusted keys that signed it. Throws `subject` where it is about another bundle than `digest`,
    /// `predicate` where it is another kind of statement than one of `predicateTypes`, and `untrusted` where none of `ring`
    /// signed it.
    public func verify(
        subject digest: String, predicateTypes: Set<String>, trusting ring: KeyRing
    ) throws(SignatureRefusal) -> [KeyRing.Entry] {
        guard manifest.subject?.digest == digest, statement.isAbout(digest) else {
            throw SignatureRefusal(
                .subject, "\(self.digest) is about \(manifest.subject?.digest ?? "nothing"), not about \(digest)")
        }
        guard predicateTypes.contains(statement.predicateType) else {
            throw SignatureRefusal(
                .predicate,
                "\(self.digest) is a '\(statement.predicateType.prefix(200))', not a \(predicateTypes.sorted().joined(separator: " or "))"
            )
        }
        let signers = envelope.signers(among: ring)
        guard !signers.isEmpty else {
            throw SignatureRefusal(
                .untrusted,
                "\(self.digest) bears no good signature by a trusted key (signed by \(envelope.claimedKeyIDs.joined(separator: ", ")))"
            )
        }
        return signers
    }
}

extension SignaturePolicy {
    /// What says that a bundle was built by whoever signed: provenance.
    public static let accepted: Set<String> = [Provenance.predicateType]

    /// Who signed the bundle `digest`, of those that are trusted; one good attestation is enough, whatever others
    /// there are: anybody may attach one.
    ///
    /// Throws where a signature is required and none of `attestations` is good: `unsigned` where there is none, else the
    /// reason of the first refusal, naming the keys that were seen and those that are trusted.
    public func signers(
        of digest: String, among attestations: [Result<Attestation, SignatureRefusal>]
    ) throws(SignatureRefusal) -> [KeyRing.Entry] {
        var signers: [KeyRing.Entry] = []
        var refusals: [SignatureRefusal] = []
        for attestation in attestations {
            do {
                for signer in try attestation.get().verify(subject: digest, predicateTypes: Self.accepted, trusting: keys)
                where !signers.contains(signer) { signers.append(signer) }
            } catch {
                refusals.append(error)
            }
        }
        guard signers.isEmpty, isRequired else { return signers }
        let trusted = keys.entries.map { "\($0.name) (\($0.key.id.prefix(16))…)" }.joined(separator: ", ")
        guard let first = refusals.first(where: { $0.reason == .untrusted }) ?? refusals.first else {
            throw SignatureRefusal(.unsigned, "the bundle \(digest) is not signed; trusted are the keys \(trusted)")
        }
        throw SignatureRefusal(
            first.reason,
            "the bundle \(digest) is not signed by a trusted key: \(refusals.map(\.message).prefix(3).joined(separator: "; ")); trusted are the keys \(trusted)"
        )
    }
}
