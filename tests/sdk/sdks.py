"""Alibaba Cloud's official SDKs, all called alike: an action and its parameters under the API's own names in, the
answer as the SDK has parsed it out, again under the API's names.

Requests and answers go through the SDKs' generated classes, not past them: what a class does not know is lost.
"""

import json
import re
from typing import Any, Optional

import alibabacloud_ecs20140526.models as tea_models
from alibabacloud_ecs20140526.client import Client as TeaClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import AccessKeyCredential, StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from darabonba.runtime import RuntimeOptions

from child import Child
from simulator import REGION, Credentials, Simulator

ECS, STS = "2014-05-26", "2015-04-01"


class ApiError(Exception):
    """An error that the API answered, as an SDK understood it."""

    def __init__(self, code: str, status: int, message: str, request_id: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.code, self.status, self.message, self.request_id = code, status, message, request_id


class PythonCore:
    """The first generation: aliyun-python-sdk-core and aliyun-python-sdk-ecs."""

    name, signature_method = "aliyun-python-sdk", "HMAC-SHA1"

    def call(self, simulator: Simulator, key: Credentials, action: str, parameters: dict, version: str = ECS) -> Any:
        """The answer."""
        request = self._ecs(action, parameters) if version == ECS else self._common(action, parameters, version)
        try:
            return json.loads(self._client(simulator, key, request).do_action_with_exception(request))
        except ServerException as error:
            facts = error.get_error_code(), error.get_http_status(), error.get_error_msg(), error.get_request_id()
            raise ApiError(*facts) from error

    def document(
        self, simulator: Simulator, key: Credentials, action: str, parameters: dict, form: Optional[str]
    ) -> tuple:
        """Status and text of an answer in a form other than the SDK's own."""
        request = self._ecs(action, parameters)
        request.set_accept_format(form)
        status, _, body = self._client(simulator, key, request).implementation_of_do_action(request)
        return status, body.decode()

    @staticmethod
    def _client(simulator: Simulator, key: Credentials, request: Any) -> AcsClient:
        """A client with this key, for a request that is told where to go."""
        host, port = simulator.host.split(":")
        request.set_endpoint(host)
        request.set_protocol_type("http")
        if key.security_token:
            credential = StsTokenCredential(key.access_key_id, key.access_key_secret, key.security_token)
        else:
            credential = AccessKeyCredential(key.access_key_id, key.access_key_secret)
        return AcsClient(region_id=REGION, port=int(port), credential=credential, auto_retry=False)

    @staticmethod
    def _ecs(action: str, parameters: dict) -> Any:
        module = __import__(f"aliyunsdkecs.request.v20140526.{action}Request", fromlist=["*"])
        request = getattr(module, f"{action}Request")()
        for name, value in parameters.items():
            # A list's setter has an s behind the name, even where that ends with one.
            plural = "s" if isinstance(value, list) else ""
            # RegionId belongs to the client.
            if name != "RegionId":
                getattr(request, f"set_{name}{plural}")(value)
        return request

    @staticmethod
    def _common(action: str, parameters: dict, version: str) -> Any:
        # The package for ECS has no requests of other products.
        request = CommonRequest(domain="unused", version=version, action_name=action)
        request.set_method("POST")
        for name, value in parameters.items():
            request.add_query_param(name, value)
        return request


class PythonTea:
    """The generation that is generated from Darabonba: alibabacloud_ecs20140526 over alibabacloud_tea_openapi."""

    def __init__(self, name: str, signature_method: str, algorithm: Optional[str]) -> None:
        self.name, self.signature_method, self._algorithm = name, signature_method, algorithm

    def call(
        self, simulator: Simulator, key: Optional[Credentials], action: str, parameters: dict, version: str = ECS
    ) -> Any:
        """The answer, out of the action's response class. Without a key, the call is not signed."""
        config = Config(
            endpoint=simulator.host,
            protocol="HTTP",
            region_id=REGION,
            signature_algorithm=self._algorithm,
            access_key_id=key and key.access_key_id,
            access_key_secret=key and key.access_key_secret,
            security_token=key and key.security_token,
        )
        client = TeaClient(config)
        try:
            if version == ECS:
                return self._ecs(client, action, parameters)
            return self._common(client, action, parameters, version, "AK" if key else "Anonymous")
        except AlibabaCloudException as error:
            raise ApiError(error.code, error.status_code, error.message, error.request_id) from error

    @staticmethod
    def _ecs(client: TeaClient, action: str, parameters: dict) -> dict:
        request = getattr(tea_models, f"{action}Request")().from_map(parameters)
        # The generator's idea of snake case: AssignIpv6Addresses becomes assign_ipv_6addresses.
        words = re.findall("[A-Z][a-z]*|[0-9]+[A-Z]?[a-z]*", action)
        method = getattr(client, "_".join(word.lower() for word in words) + "_with_options")
        return method(request, RuntimeOptions()).body.to_map()

    @staticmethod
    def _common(client: TeaClient, action: str, parameters: dict, version: str, auth_type: str) -> dict:
        params = Params(
            action=action,
            version=version,
            protocol="HTTPS",
            pathname="/",
            method="POST",
            auth_type=auth_type,
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        return client.call_api(params, OpenApiRequest(query=parameters), RuntimeOptions())["body"]


class JavaScript:
    """The official SDKs for JavaScript, which `call.js` calls."""

    def __init__(self, name: str, signature_method: str, client: str, algorithm: Optional[str] = None) -> None:
        self.name, self.signature_method = name, signature_method
        self._fixed = {"client": client, "algorithm": algorithm}
        self.child: Optional[Child] = None

    def call(
        self, simulator: Simulator, key: Optional[Credentials], action: str, parameters: dict, version: str = ECS
    ) -> Any:
        """The answer. Without a key, the call is not signed."""
        question = {
            **self._fixed,
            "endpoint": simulator.endpoint,
            "region": REGION,
            "key": key and vars(key),
            "action": action,
            "version": version,
            "parameters": parameters,
        }
        answer = self.child.ask(question)
        if "error" in answer:
            raise ApiError(**answer["error"])
        return answer["body"]


ALL = [
    PythonCore(),
    PythonTea("python-tea-hmac-sha1", "HMAC-SHA1", "v2"),
    PythonTea("python-tea-acs3", "ACS3-HMAC-SHA256", None),
    JavaScript("javascript-pop-core", "HMAC-SHA1", "pop"),
    JavaScript("javascript-tea-hmac-sha1", "HMAC-SHA1", "tea", "v2"),
    JavaScript("javascript-tea-acs3", "ACS3-HMAC-SHA256", "tea"),
]
