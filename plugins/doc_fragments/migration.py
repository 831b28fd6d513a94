# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that run a migration tool, documented once."""

from __future__ import annotations


class ModuleDocFragment:
    """Which tool, how it is called, and where it runs."""

    DOCUMENTATION = r"""
options:
  tool:
    description:
      - The migration tool.
      - V(command) is any program that keeps the contract of the plan template, see the notes.
    type: str
    choices: [alembic, command, dbmate, django, flyway, golang-migrate, liquibase, sqitch]
    default: command
  command:
    description:
      - The words the tool is called with, without a shell. They may lead to another place, like
        V(["kubectl", "exec", "deploy/api-server", "--", "./migrate.sh"]).
      - What runs elsewhere that way gets nothing that is set here. O(environment), C(PGHOST) and its companions and the
        time limits for locks and statements cross neither C(ssh) nor C(kubectl exec), so give it its connection and its
        limits there. When its time is over the words are ended here, and what they started may go on there.
      - Without it V(./migrate.sh), V(alembic), V(python3 manage.py), V(dbmate), V(sqitch), V(flyway), V(liquibase) or
        V(migrate).
      - Going down from a version needs the scripts of the release that brought it; O(job) runs its image.
    type: list
    elements: str
  chdir:
    description: Directory to run the tool in; with O(job) one of the image.
    type: path
  environment:
    description:
      - Variables for the tool, beside the ones that the connection options give it (C(PGHOST) and its companions, and
        C(DATABASE_URL) and the like for tools that want those).
      - Values whose names speak of passwords, tokens, keys, secrets or addresses are not shown.
    type: dict
    default: {}
  env_name:
    description: Environment for C(--env) of O(tool=command).
    type: str
  app:
    description: Application whose migrations are meant, required for O(tool=django).
    type: str
  down_scripts:
    description:
      - Where the SQL of the steps down is, below O(chdir).
      - For O(tool=command) a glob of files whose names begin with the version, like V(migrations/*.down.sql); without
        it missing steps and losses cannot be seen beforehand.
      - For the other tools that keep files a directory, by default C(db/migrations) (dbmate), C(revert) (sqitch),
        C(sql) (Flyway) and C(migrations) (golang-migrate). Alembic, Django and Liquibase write the SQL themselves.
    type: str
  job:
    description:
      - Runs the tool as a Job in a Kubernetes cluster, with the image of the release that is live, instead of on the
        host. Its log is what the tool said.
      - Every question to the tool is a short Job too, in check mode as well. With O(down_scripts) the files are read in
        the image by C(find) and C(grep).
      - A step down has a Job of the same name each time. Where the control node is lost meanwhile, the next run finds
        it, waits for it and reads it, instead of running it a second time.
      - Passwords and addresses reach the pod by a Secret that belongs to the Job and goes with it.
      - What it may do in the cluster is in C(docs/policies/kubernetes-migration-job.yml). Needs the Python library
        kubernetes and the collection kubernetes.core.
    type: dict
    suboptions:
      namespace:
        description: Namespace of the Job.
        type: str
        required: true
      workload:
        description:
          - A workload there whose live pod template is the model. Image, variables, volumes (but no persistent ones),
            service account, security settings, pull secrets and the choice of nodes are taken from it.
        type: str
      kind:
        description: Kind of O(job.workload).
        type: str
        choices: [Deployment, StatefulSet, DaemonSet]
        default: Deployment
      container:
        description: Container of O(job.workload) whose place the tool takes. The first where not set.
        type: str
      image:
        description: Image to run, instead of that of O(job.workload). Name the one of the release that goes down.
        type: str
      labels:
        description:
          - Labels of the Job and its pod, beside those it gets anyway. NetworkPolicies that let pods reach the
            database, and workload identities, may ask for one. None that a Service selects, or it sends
            customers there.
        type: dict
        default: {}
      service_account:
        description: Service account of the pod, instead of that of O(job.workload).
        type: str
      env:
        description:
          - Further variables as a container has them, with C(value) or C(valueFrom). They stand above all others; one
            that is named here, like C(PGPASSWORD) from a Secret of yours, is not sent.
        type: list
        elements: dict
        default: []
      env_from:
        description: ConfigMaps and Secrets whose values become variables, as in a container.
        type: list
        elements: dict
        default: []
      host:
        description: Host of the database as the pod reaches it, where that is not O(login_host).
        type: str
      port:
        description: Its port, where that is not O(login_port).
        type: int
      start_timeout:
        description:
          - Seconds until the tool has to be running, that is scheduled, with its image pulled. Where nodes are made on
            demand (Karpenter, cluster-autoscaler), it has to be enough for one.
        type: float
        default: 120
      ttl:
        description: Seconds after which the cluster removes a finished Job that nobody has read.
        type: int
        default: 3600
      connection:
        description:
          - Login options of the cluster, as M(kubernetes.core.k8s) has them; else the environment and the default
            kubeconfig are used.
        type: dict
        default: {}
notes:
  - >-
    The contract of O(tool=command) is C(PROGRAM up|down|status --env ENVIRONMENT --to-version N). C(status) ends with
    0 and prints one line C(version: N), or nothing but the number. It may also print C(applied: N NAME) once per
    applied migration, C(pending: ...) and C(dirty: true). C(down) leaves the schema at C(N) and ends with another
    status if it cannot.
  - Other databases than PostgreSQL are not supported, and refused by name.
"""
