import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

/// Vectors of Amazon's own test suite for Signature Version 4.
@Suite struct AWSSignatureTests {
    private let signature = AWSSignature(
        keys: AWSKeys(id: "AKIDEXAMPLE", secret: .init("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), sessionToken: nil),
        region: "us-east-1", service: "service", date: Date(timeIntervalSince1970: 1_440_938_160))

    @Test(arguments: [
        ("GET", [:], "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", [:], "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET", ["My-Header1": "value2,value2,value1"], "", "host;my-header1;x-amz-date",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"
        ),
        (
            "POST", ["Content-Type": "application/x-www-form-urlencoded"], "Param1=value1", "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        ),
    ])
    func `a request is signed as the service signs it`(
        method: String, headers: [String: String], body: String, names: String, expected: String
    ) {
        let signed = signature.sign(
            method: method, path: "/", headers: headers.merging(["Host": "example.amazonaws.com"]) { $1 }, body: Data(body.utf8))
        #expect(
            signed["authorization"]
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=\(names), "
                + "Signature=\(expected)")
    }

    @Test func `a session's token is sent and signed`() {
        var signature = signature
        signature.keys.sessionToken = .init("token")
        let headers = signature.sign(method: "GET", path: "/", headers: ["host": "x"], body: Data())
        #expect(headers["x-amz-security-token"] == "token")
        #expect(headers["authorization"]?.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,") == true)
    }
}
